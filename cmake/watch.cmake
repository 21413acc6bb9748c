# reel::watch: what one looks at while a model trains. A library of its own, which sees the public headers and nothing else of
# reel. It has nothing that depends on reel_real, so one file serves reel and reel_f64, and links neither: the program does.
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/watch/*.c)
add_library(reel_watch_objects OBJECT ${sources})
target_include_directories(reel_watch_objects PRIVATE ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(reel_watch_objects PRIVATE reel_flags PNG::PNG)
target_compile_options(reel_watch_objects PRIVATE ${REEL_SMALL})
foreach(kind static shared)
  string(TOUPPER ${kind} type)
  set(target reel_watch_${kind})
  add_library(${target} ${type} $<TARGET_OBJECTS:reel_watch_objects>)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:PNG::PNG> m)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                              $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  if(REEL_SANITIZE)
    target_link_options(${target} PUBLIC -fsanitize=address,undefined)
  endif()
  set_target_properties(
    ${target} PROPERTIES OUTPUT_NAME reel_watch EXPORT_NAME watch_library LINKER_LANGUAGE C VERSION ${PROJECT_VERSION}
                         SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
endforeach()
target_link_options(reel_watch_shared PRIVATE ${REEL_SHARED_LINK})
set_target_properties(reel_watch_shared PROPERTIES LINK_DEPENDS ${REEL_EXPORTS})

# With the library that it goes with, behind it: reel::watch and reel::watch_f64.
if(BUILD_SHARED_LIBS)
  set(kind shared)
else()
  set(kind static)
endif()
foreach(pair watch:reel watch_f64:reel_f64)
  string(REPLACE : ";" pair ${pair})
  list(GET pair 0 name)
  list(GET pair 1 library)
  add_library(reel_${name} INTERFACE)
  target_link_libraries(reel_${name} INTERFACE reel_watch_${kind} ${library})
  add_library(reel::${name} ALIAS reel_${name})
endforeach()
