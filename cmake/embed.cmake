# halftone_embed(VARIABLE OUTPUT files...): writes OUTPUT, a C++ source that defines
# `const EmbeddedFile VARIABLE[]` (base/embedded.h): name and text of each file, ended by an empty one.
# Written anew when a file changes.
function(halftone_embed VARIABLE OUTPUT)
  set(text "#include \"base/embedded.h\"\n\nnamespace halftone {\nextern const EmbeddedFile ${VARIABLE}[];\n")
  string(APPEND text "const EmbeddedFile ${VARIABLE}[] = {\n")
  foreach(file ${ARGN})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    get_filename_component(name ${file} NAME)
    file(READ ${file} content)
    string(APPEND text "{\"${name}\", R\"~file~(${content})~file~\"},\n")
  endforeach()
  string(APPEND text "{\"\", \"\"}};\n}  // namespace halftone\n")
  file(GENERATE OUTPUT ${OUTPUT} CONTENT "${text}")
endfunction()
