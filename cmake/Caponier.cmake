# How every target of this project is built.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_library(caponier_options INTERFACE)
target_compile_options(caponier_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
  -fstack-protector-strong -ftrivial-auto-var-init=zero)
target_compile_definitions(caponier_options INTERFACE _GLIBCXX_ASSERTIONS)
target_include_directories(caponier_options INTERFACE "${CMAKE_SOURCE_DIR}/src")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these falsely for optional<variant<...>> and for std::vector growth at -O2.
  target_compile_options(caponier_options INTERFACE
    -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds -Wno-restrict)
endif()

# caponier_module(<folder> [LINK <libraries>...])
# One static archive of every .cpp in this folder, called caponier_<folder with _ for />.
function(caponier_module folder)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  string(REPLACE "/" "_" name "caponier_${folder}")
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC caponier_options fmt::fmt ${ARG_LINK})
endfunction()
