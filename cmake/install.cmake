# What cmake --install puts where, and how the installed library is found: CMake's package, and modules of pkg-config.
include(CMakePackageConfigHelpers)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/reel)
# The headers of reel::watch and reel::mpi go with them.
install(
  DIRECTORY ${PROJECT_SOURCE_DIR}/include/reel
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  COMPONENT development
  PATTERN "watch*" EXCLUDE
  PATTERN "mpi.h" EXCLUDE)
if(REEL_WATCH)
  install(
    FILES ${PROJECT_SOURCE_DIR}/include/reel/watch.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/reel
    COMPONENT watch_development)
  install(
    DIRECTORY ${PROJECT_SOURCE_DIR}/include/reel/watch
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/reel
    COMPONENT watch_development)
  foreach(kind static shared)
    install(
      TARGETS reel_watch_${kind}
      EXPORT reel_watch_${kind}
      LIBRARY COMPONENT watch NAMELINK_COMPONENT watch_development
      ARCHIVE COMPONENT watch_development)
    install(
      EXPORT reel_watch_${kind}
      NAMESPACE reel::
      DESTINATION ${package}
      COMPONENT watch_development)
  endforeach()
endif()
if(REEL_MPI)
  install(
    FILES ${PROJECT_SOURCE_DIR}/include/reel/mpi.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/reel
    COMPONENT mpi_development)
  foreach(library reel_mpi reel_mpi_f64)
    foreach(kind static shared)
      install(
        TARGETS ${library}_${kind}
        EXPORT ${library}_${kind}
        LIBRARY COMPONENT mpi NAMELINK_COMPONENT mpi_development
        ARCHIVE COMPONENT mpi_development)
      install(
        EXPORT ${library}_${kind}
        NAMESPACE reel::
        DESTINATION ${package}
        COMPONENT mpi_development)
    endforeach()
  endforeach()
endif()
foreach(kind static shared)
  foreach(library reel reel_f64)
    install(
      TARGETS ${library}_${kind}
      EXPORT ${library}_${kind}
      LIBRARY COMPONENT libraries NAMELINK_COMPONENT development
      ARCHIVE COMPONENT development)
    install(
      EXPORT ${library}_${kind}
      NAMESPACE reel::
      DESTINATION ${package}
      COMPONENT development)
  endforeach()
endforeach()

# Config files find each other and the headers from where they are, so that an installation can be moved.
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/reelConfig.cmake.in ${PROJECT_BINARY_DIR}/install/reelConfig.cmake
                              INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/install/reelConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(
  FILES ${PROJECT_BINARY_DIR}/install/reelConfig.cmake ${PROJECT_BINARY_DIR}/install/reelConfigVersion.cmake
  DESTINATION ${package}
  COMPONENT development)

# Modules of pkg-config. ${pcfiledir} is where the module lies; an absolute folder that was asked for stays where it is.
set(modules ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(REEL_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
  set(REEL_PC_LIBDIR ${CMAKE_INSTALL_FULL_LIBDIR})
  set(REEL_PC_INCLUDEDIR ${CMAKE_INSTALL_FULL_INCLUDEDIR})
else()
  file(RELATIVE_PATH up /prefix/${modules} /prefix)
  string(REGEX REPLACE "/$" "" up "${up}")
  set(REEL_PC_PREFIX "\${pcfiledir}/${up}")
  set(REEL_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(REEL_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
set(REEL_PC_LIBS_PRIVATE ${OpenMP_C_LIB_NAMES} m)
if(REEL_ZLIB)
  list(PREPEND REEL_PC_LIBS_PRIVATE z)
endif()
list(TRANSFORM REEL_PC_LIBS_PRIVATE PREPEND -l)
list(PREPEND REEL_PC_LIBS_PRIVATE ${REEL_BLAS_PC_LIBS})
list(JOIN REEL_PC_LIBS_PRIVATE " " REEL_PC_LIBS_PRIVATE)
foreach(library reel reel_f64)
  set(REEL_PC_NAME ${library})
  if(library STREQUAL reel_f64)
    set(REEL_PC_DESCRIPTION "${PROJECT_DESCRIPTION}, in double")
    set(REEL_PC_DEFINITIONS " -DREEL_F64")
  else()
    set(REEL_PC_DESCRIPTION "${PROJECT_DESCRIPTION}, in float")
    set(REEL_PC_DEFINITIONS)
  endif()
  configure_file(${PROJECT_SOURCE_DIR}/cmake/reel.pc.in ${PROJECT_BINARY_DIR}/install/${library}.pc @ONLY)
  install(
    FILES ${PROJECT_BINARY_DIR}/install/${library}.pc
    DESTINATION ${modules}
    COMPONENT development)
endforeach()
if(REEL_WATCH)
  foreach(library reel reel_f64)
    string(REPLACE reel reel_watch REEL_PC_NAME ${library})
    set(REEL_PC_LIBRARY ${library})
    configure_file(${PROJECT_SOURCE_DIR}/cmake/reel_watch.pc.in ${PROJECT_BINARY_DIR}/install/${REEL_PC_NAME}.pc @ONLY)
    install(
      FILES ${PROJECT_BINARY_DIR}/install/${REEL_PC_NAME}.pc
      DESTINATION ${modules}
      COMPONENT watch_development)
  endforeach()
endif()
if(REEL_MPI)
  foreach(library reel reel_f64)
    string(REPLACE reel reel_mpi REEL_PC_NAME ${library})
    set(REEL_PC_LIBRARY ${library})
    configure_file(${PROJECT_SOURCE_DIR}/cmake/reel_mpi.pc.in ${PROJECT_BINARY_DIR}/install/${REEL_PC_NAME}.pc @ONLY)
    install(
      FILES ${PROJECT_BINARY_DIR}/install/${REEL_PC_NAME}.pc
      DESTINATION ${modules}
      COMPONENT mpi_development)
  endforeach()
endif()
