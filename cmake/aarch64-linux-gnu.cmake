# Toolchain for 64-bit ARM with Debian's cross compilers: libraries come from the root that REEL_SYSROOT names
# (tests/aarch64.sh makes one), and what is built runs in qemu.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

# CMake reads this file again in each of its own trials.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES REEL_SYSROOT)
if(NOT IS_DIRECTORY "${REEL_SYSROOT}")
  message(FATAL_ERROR "REEL_SYSROOT has to be a folder with the libraries of an arm64 system")
endif()
set(CMAKE_SYSROOT ${REEL_SYSROOT})
set(CMAKE_FIND_ROOT_PATH ${REEL_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# A root whose packages were only unpacked has no links of Debian's alternatives: openblas.pc is where it really lies.
set(folder ${REEL_SYSROOT}/usr/lib/aarch64-linux-gnu)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${REEL_SYSROOT})
set(ENV{PKG_CONFIG_PATH})
set(ENV{PKG_CONFIG_LIBDIR} ${folder}/pkgconfig:${folder}/openblas-pthread/pkgconfig:${REEL_SYSROOT}/usr/share/pkgconfig)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -L ${REEL_SYSROOT} -E LD_LIBRARY_PATH=/usr/lib/aarch64-linux-gnu/openblas-pthread)
