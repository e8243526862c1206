# Writes every Lua module under ROOT/ganlua, and every file of the page in ROOT/view/page, into OUTPUT, a C file that
# defines ganlua_sources and ganlua_pages (embed.h). Run with cmake -DROOT=... -DOUTPUT=... -P embed.cmake: the build
# needs no Lua.
file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/ganlua/*.lua)
list(SORT files)

set(arrays "")
set(table "")
set(number 0)
foreach(file IN LISTS files)
  file(READ ${ROOT}/${file} bytes HEX)
  string(LENGTH "${bytes}" length)
  math(EXPR length "${length} / 2")
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "(/init)?\\.lua$" "" module ${file})
  string(REPLACE "/" "." module ${module})
  string(APPEND arrays "static const unsigned char text${number}[] = {${bytes}0};\n")
  string(APPEND table "    {\"${module}\", \"@${file}\", (const char *)text${number}, ${length}},\n")
  math(EXPR number "${number} + 1")
endforeach()

set(types_html "text/html; charset=utf-8")
set(types_js "text/javascript; charset=utf-8")
set(types_css "text/css; charset=utf-8")
set(types_svg "image/svg+xml")
file(GLOB files RELATIVE ${ROOT}/view/page ${ROOT}/view/page/*)
list(SORT files)
set(pages "")
foreach(file IN LISTS files)
  file(READ ${ROOT}/view/page/${file} bytes HEX)
  string(LENGTH "${bytes}" length)
  math(EXPR length "${length} / 2")
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE ".*\\." "" kind ${file})
  string(APPEND arrays "static const unsigned char text${number}[] = {${bytes}0};\n")
  string(APPEND pages "    {\"/${file}\", \"${types_${kind}}\", (const char *)text${number}, ${length}},\n")
  math(EXPR number "${number} + 1")
endforeach()

file(WRITE ${OUTPUT} "#include \"embed/embed.h\"\n\n${arrays}\n"
  "const struct ganlua_source ganlua_sources[] = {\n${table}    {NULL, NULL, NULL, 0},\n};\n\n"
  "const struct ganlua_page ganlua_pages[] = {\n${pages}    {NULL, NULL, NULL, 0},\n};\n")
