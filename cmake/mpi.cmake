# reel::mpi and reel::mpi_f64: training by several processes. Libraries of their own, which see the public headers and nothing
# else of reel; they hold reel_real, so there is one for each of its libraries. reel itself never needs MPI.
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/mpi/*.c)
if(BUILD_SHARED_LIBS)
  set(chosen shared)
else()
  set(chosen static)
endif()
foreach(library reel reel_f64)
  string(REPLACE reel reel_mpi mpi ${library})
  add_library(${mpi}_objects OBJECT ${sources})
  target_include_directories(${mpi}_objects PRIVATE ${PROJECT_SOURCE_DIR}/src/mpi ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(${mpi}_objects PRIVATE reel_flags MPI::MPI_C)
  target_compile_options(${mpi}_objects PRIVATE ${REEL_SMALL})
  if(library STREQUAL reel_f64)
    target_compile_definitions(${mpi}_objects PRIVATE REEL_F64)
  endif()
  foreach(kind static shared)
    string(TOUPPER ${kind} type)
    set(target ${mpi}_${kind})
    add_library(${target} ${type} $<TARGET_OBJECTS:${mpi}_objects>)
    # Its header includes mpi.h. An installed one finds MPI in cmake/reelConfig.cmake.in.
    target_link_libraries(${target} PUBLIC $<BUILD_INTERFACE:MPI::MPI_C> PRIVATE m)
    target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                                $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    if(library STREQUAL reel_f64)
      target_compile_definitions(${target} PUBLIC REEL_F64)
    endif()
    if(REEL_SANITIZE)
      target_link_options(${target} PUBLIC -fsanitize=address,undefined)
    endif()
    set_target_properties(
      ${target} PROPERTIES OUTPUT_NAME ${mpi} EXPORT_NAME ${mpi}_library LINKER_LANGUAGE C VERSION ${PROJECT_VERSION}
                           SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  endforeach()
  target_link_options(${mpi}_shared PRIVATE ${REEL_SHARED_LINK})
  set_target_properties(${mpi}_shared PROPERTIES LINK_DEPENDS ${REEL_EXPORTS})

  # With the library that it goes with, behind it.
  add_library(${mpi} INTERFACE)
  target_link_libraries(${mpi} INTERFACE ${mpi}_${chosen} ${library})
  string(REPLACE reel_ "" name ${mpi})
  add_library(reel::${name} ALIAS ${mpi})
endforeach()
