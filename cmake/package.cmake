# cpack -G DEB: libreel (the shared libraries), libreel-dev, libreel-watch, libreel-watch-dev, libreel-mpi,
# libreel-mpi-dev and reel-programs. The preset package configures for it.
set(REEL_PACKAGE_CONTACT "the reel authors <reel@packages.invalid>" CACHE STRING "Who answers for packages: NAME <ADDRESS>")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME reel)
set(CPACK_PACKAGE_CONTACT ${REEL_PACKAGE_CONTACT})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL libraries development)
if(REEL_WATCH)
  list(APPEND CPACK_COMPONENTS_ALL watch watch_development)
endif()
if(REEL_MPI)
  list(APPEND CPACK_COMPONENTS_ALL mpi mpi_development)
endif()
if(REEL_PROGRAMS)
  list(APPEND CPACK_COMPONENTS_ALL programs)
endif()
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "training in C, with tape and row-sparse embeddings")
set(about "Operations are recorded on a tape; gradients of any order come from walking
it backwards, and those of embeddings stay row-sparse. Names and random
numbers are PyTorch's; products of matrices are OpenBLAS's.
")
set(CPACK_DEBIAN_LIBRARIES_PACKAGE_NAME libreel)
set(CPACK_DEBIAN_LIBRARIES_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARIES_DESCRIPTION "${about}\nThis package has the shared libraries, in float and in double.")
set(CPACK_DEBIAN_LIBRARIES_PACKAGE_SHLIBDEPS ON)
if(REEL_HAVE_RELR_LIBC AND REEL_HAVE_RELR_LINKER)
  # The short form of pointers, which dpkg-shlibdeps does not see.
  set(CPACK_DEBIAN_LIBRARIES_PACKAGE_DEPENDS "libc6 (>= 2.36)")
endif()
# Of OpenBLAS's flavours the one on pthreads is what threads of reel's own can call side by side.
set(CPACK_DEBIAN_LIBRARIES_PACKAGE_RECOMMENDS libopenblas0-pthread)
set(CPACK_DEBIAN_LIBRARIES_PACKAGE_CONTROL_EXTRA ${PROJECT_BINARY_DIR}/package/triggers ${PROJECT_BINARY_DIR}/package/shlibs)

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libreel-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libreel (= ${PROJECT_VERSION}), libopenblas-pthread-dev | libopenblas-dev")
if(REEL_ZLIB)
  string(APPEND CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS ", zlib1g-dev")
endif()
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION
    "${about}\nThis package has the headers, the archives, a package for CMake and modules\nfor pkg-config.")

set(CPACK_DEBIAN_WATCH_PACKAGE_NAME libreel-watch)
set(CPACK_DEBIAN_WATCH_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_WATCH_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_WATCH_PACKAGE_DEPENDS "libreel (= ${PROJECT_VERSION})")
if(REEL_HAVE_RELR_LIBC AND REEL_HAVE_RELR_LINKER)
  string(APPEND CPACK_DEBIAN_WATCH_PACKAGE_DEPENDS ", libc6 (>= 2.36)")
endif()
set(CPACK_DEBIAN_WATCH_DESCRIPTION
    "${about}\nThis package has what one looks at while a model trains: a progress bar,\npictures, a report, a profiler.")
set(CPACK_DEBIAN_WATCH_PACKAGE_CONTROL_EXTRA ${PROJECT_BINARY_DIR}/package/triggers ${PROJECT_BINARY_DIR}/package/watch/shlibs)

set(CPACK_DEBIAN_WATCH_DEVELOPMENT_PACKAGE_NAME libreel-watch-dev)
set(CPACK_DEBIAN_WATCH_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_WATCH_DEVELOPMENT_PACKAGE_DEPENDS
    "libreel-watch (= ${PROJECT_VERSION}), libreel-dev (= ${PROJECT_VERSION}), libpng-dev")
set(CPACK_DEBIAN_WATCH_DEVELOPMENT_DESCRIPTION
    "${about}\nThis package has the headers, the archive and the modules for pkg-config of\nlibreel-watch.")

set(CPACK_DEBIAN_MPI_PACKAGE_NAME libreel-mpi)
set(CPACK_DEBIAN_MPI_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_MPI_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_MPI_PACKAGE_DEPENDS ${CPACK_DEBIAN_WATCH_PACKAGE_DEPENDS}) # which are libreel and libc
set(CPACK_DEBIAN_MPI_DESCRIPTION
    "${about}\nThis package has the libraries for training by several processes over MPI,\nin float and in double.")
set(CPACK_DEBIAN_MPI_PACKAGE_CONTROL_EXTRA ${PROJECT_BINARY_DIR}/package/triggers ${PROJECT_BINARY_DIR}/package/mpi/shlibs)

set(CPACK_DEBIAN_MPI_DEVELOPMENT_PACKAGE_NAME libreel-mpi-dev)
set(CPACK_DEBIAN_MPI_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_MPI_DEVELOPMENT_PACKAGE_DEPENDS
    "libreel-mpi (= ${PROJECT_VERSION}), libreel-dev (= ${PROJECT_VERSION}), libopenmpi-dev")
set(CPACK_DEBIAN_MPI_DEVELOPMENT_DESCRIPTION
    "${about}\nThis package has the header, the archives and the modules for pkg-config of\nlibreel-mpi.")

set(CPACK_DEBIAN_PROGRAMS_PACKAGE_NAME reel-programs)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SUGGESTS dataset-fashion-mnist)
if(BUILD_SHARED_LIBS)
  set(CPACK_DEBIAN_PROGRAMS_PACKAGE_DEPENDS "libreel (= ${PROJECT_VERSION}), libreel-watch (= ${PROJECT_VERSION})")
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR})
endif()
set(CPACK_DEBIAN_PROGRAMS_DESCRIPTION
    "${about}\nThis package has cgan, which trains a conditional GAN, samples from it and\njudges it, series, which does so for time series, and notebook, the\nnn.Embedding tutorial.")

# Dependants are bound to the minor version, as the soname is. The loader's cache is brought up to date by a trigger.
math(EXPR next "${PROJECT_VERSION_MINOR} + 1")
set(soversion ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(range "libreel (>= ${soversion}), libreel (<< ${PROJECT_VERSION_MAJOR}.${next}~)")
file(WRITE ${PROJECT_BINARY_DIR}/package/shlibs "libreel ${soversion} ${range}\nlibreel_f64 ${soversion} ${range}\n")
string(REPLACE libreel libreel-watch of_watch "${range}")
file(WRITE ${PROJECT_BINARY_DIR}/package/watch/shlibs "libreel_watch ${soversion} ${of_watch}\n")
string(REPLACE libreel libreel-mpi of_mpi "${range}")
file(WRITE ${PROJECT_BINARY_DIR}/package/mpi/shlibs "libreel_mpi ${soversion} ${of_mpi}\nlibreel_mpi_f64 ${soversion} ${of_mpi}\n")
file(WRITE ${PROJECT_BINARY_DIR}/package/triggers "activate-noawait ldconfig\n")

# What policy wants in /usr/share: licence, changes, pages of the manual.
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${PROJECT_BINARY_DIR}/package/changelog
     "reel (${PROJECT_VERSION}) unstable; urgency=medium\n\n  * Version ${PROJECT_VERSION}.\n\n -- ${REEL_PACKAGE_CONTACT}  ${date}\n")
find_program(GZIP gzip REQUIRED)
execute_process(COMMAND ${GZIP} -9nf ${PROJECT_BINARY_DIR}/package/changelog COMMAND_ERROR_IS_FATAL ANY)
foreach(lower IN LISTS CPACK_COMPONENTS_ALL)
  string(TOUPPER ${lower} component)
  install(
    FILES ${PROJECT_SOURCE_DIR}/LICENSE
    DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/${CPACK_DEBIAN_${component}_PACKAGE_NAME}
    RENAME copyright
    COMPONENT ${lower})
  install(
    FILES ${PROJECT_BINARY_DIR}/package/changelog.gz
    DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/${CPACK_DEBIAN_${component}_PACKAGE_NAME}
    COMPONENT ${lower})
endforeach()
# install_page(NAME.SECTION COMPONENT)
function(install_page page component)
  string(REGEX REPLACE ".*\\." "" section ${page})
  set(compressed ${PROJECT_BINARY_DIR}/package/${page}.gz)
  execute_process(COMMAND ${GZIP} -9nc ${PROJECT_SOURCE_DIR}/docs/man/${page} OUTPUT_FILE ${compressed} COMMAND_ERROR_IS_FATAL ANY)
  install(FILES ${compressed} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT ${component})
endfunction()
install_page(reel.7 development)
if(REEL_PROGRAMS)
  foreach(program cgan notebook series)
    install_page(${program}.1 programs)
  endforeach()
endif()
include(CPack)
