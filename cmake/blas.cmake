# The target reel_blas: an OpenBLAS, wherever it is and whatever its functions are called.
#
# Sets REEL_BLAS_RPATH, the folder that installed shared libraries look for it in, and for cmake/install.cmake
# REEL_BLAS_PACKAGE and REEL_BLAS_PC_LIBS: how those who link the archive find it again.
set(REEL_BLAS openblas CACHE STRING
    "OpenBLAS: a module of pkg-config, or OpenBLAS for its CMake package, or the path of the library")
set(REEL_BLAS_PREFIX "" CACHE STRING "What its functions' names begin with, such as scipy_; a module may tell by itself")
set(REEL_BLAS_SUFFIX "" CACHE STRING "What its functions' names end with")

set(prefix "${REEL_BLAS_PREFIX}")
if(IS_ABSOLUTE "${REEL_BLAS}")
  if(NOT EXISTS "${REEL_BLAS}")
    message(FATAL_ERROR "REEL_BLAS: there is no ${REEL_BLAS}")
  endif()
  get_filename_component(folder "${REEL_BLAS}" DIRECTORY)
  find_path(REEL_BLAS_INCLUDE_DIR cblas.h REQUIRED HINTS ${folder}/../include PATH_SUFFIXES openblas)
  set(include ${REEL_BLAS_INCLUDE_DIR})
  set(libraries "${REEL_BLAS}")
  set(REEL_BLAS_PACKAGE "set(reel_blas \"${REEL_BLAS}\")")
elseif(REEL_BLAS STREQUAL OpenBLAS)
  find_package(OpenBLAS CONFIG REQUIRED)
  set(include ${OpenBLAS_INCLUDE_DIRS})
  set(libraries ${OpenBLAS_LIBRARIES})
  set(REEL_BLAS_PACKAGE "find_dependency(OpenBLAS CONFIG)\n  set(reel_blas \${OpenBLAS_LIBRARIES})")
else()
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(REEL_OPENBLAS REQUIRED ${REEL_BLAS})
  set(include ${REEL_OPENBLAS_INCLUDE_DIRS})
  # What the module names by its path, as PyPI's does, is among the other flags.
  set(libraries ${REEL_OPENBLAS_LINK_LIBRARIES} ${REEL_OPENBLAS_LDFLAGS_OTHER})
  if(NOT REEL_BLAS_PREFIX AND "${REEL_OPENBLAS_CFLAGS_OTHER}" MATCHES "-DBLAS_SYMBOL_PREFIX=([A-Za-z0-9_]+)")
    set(prefix ${CMAKE_MATCH_1})
  endif()
  string(CONCAT REEL_BLAS_PACKAGE "find_dependency(PkgConfig)\n  pkg_check_modules(REEL_OPENBLAS REQUIRED ${REEL_BLAS})\n"
                                  "  set(reel_blas \${REEL_OPENBLAS_LINK_LIBRARIES} \${REEL_OPENBLAS_LDFLAGS_OTHER})")
endif()

# Folders of the system are the loader's and the linker's business, which may know of a better one there (Debian's
# alternatives).
set(REEL_BLAS_RPATH)
set(REEL_BLAS_PC_LIBS)
foreach(library IN LISTS libraries)
  set(system OFF)
  cmake_path(GET library PARENT_PATH folder)
  foreach(known IN LISTS CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
    cmake_path(IS_PREFIX known "${folder}" NORMALIZE below)
    if(below)
      set(system ON)
    endif()
  endforeach()
  if(system AND library MATCHES "/lib([^/]*)\\.so$")
    list(APPEND REEL_BLAS_PC_LIBS -l${CMAKE_MATCH_1})
  else()
    list(APPEND REEL_BLAS_PC_LIBS ${library})
    if(IS_ABSOLUTE "${library}" AND NOT library MATCHES "\\.a$")
      get_filename_component(folder "${folder}" REALPATH)
      list(APPEND REEL_BLAS_RPATH ${folder})
    endif()
  endif()
endforeach()

add_library(reel_blas INTERFACE)
target_include_directories(reel_blas SYSTEM INTERFACE ${include})
target_link_libraries(reel_blas INTERFACE ${libraries})
# Names that have something before or behind them are given to the plain ones that the sources use. A function that is
# missing here does not compile where names differ.
if(NOT "${prefix}${REEL_BLAS_SUFFIX}" STREQUAL "")
  foreach(
    function
    cblas_sgemm
    cblas_dgemm
    cblas_sgemv
    cblas_somatcopy
    cblas_domatcopy
    openblas_get_config
    openblas_get_corename
    openblas_get_num_threads
    openblas_set_num_threads
    openblas_get_parallel
    dsyev_)
    target_compile_definitions(reel_blas INTERFACE ${function}=${prefix}${function}${REEL_BLAS_SUFFIX})
  endforeach()
endif()
