# Writes every Lua module under ROOT/ganlua into OUTPUT, a C file that defines ganlua_sources
# (embed.h). Run with cmake -DROOT=... -DOUTPUT=... -P embed.cmake: the build needs no Lua.
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

file(WRITE ${OUTPUT} "#include \"embed/embed.h\"\n\n${arrays}\n"
  "const struct ganlua_source ganlua_sources[] = {\n${table}    {NULL, NULL, NULL, 0},\n};\n")
