-- What the analysers report and is nevertheless right, each with the reason. A report is met by the file, the
-- analyser's name for it and, where that is not enough, a piece of its text. A row that meets nothing is reported too.

return {
  -- cppcheck takes the two sides of a condition to be possible at once where the branch between them ends in gan_fail,
  -- whatever noreturn.cfg says, if the value comes out of a struct.
  { "core/reduce.c", "zerodivcond", "split.along" },

  -- The loop before fills as many as this one reads: `order` is known to name each dimension below `rank` once.
  { "core/shape.c", "uninitvar", "steps" },

  -- Where the tiles of a group's missing images go: written by the kernel, never read.
  { "core/conv_tiles.c", "legacyUninitvar", "nowhere" },

  -- Packed weights are bytes to all but the kernel that packs them, which alone knows whether they are floats or pairs
  -- of bfloat16; it reads what it wrote, and memory from gan_scratch is aligned for both.
  { "core/conv_tiles.c", "invalidPointerCast", "signed char" },
  { "core/kernel/amx.c", "invalidPointerCast", "unsigned short" },

  -- Written through a pointer in `asked` by the function that lua_call runs.
  { "lua/embed/call.c", "uninitvar", "latent" },

  -- realloc to a smaller size: where it fails the old block stays, and is what is returned.
  { "lua/ganlua.c", "memleak", "moved" },

  -- A message is freed unless it is NO_MEMORY; the analyser thinks strdup might return that array's address.
  { "lua/ganlua.c", "malloc-leak", "gl.error" },

  -- The board's documents and texts: a name belongs to the list that it is copied into, and a text is counted by its
  -- holders, which neither analyser follows through an array.
  { "lua/view/board.c", "memleak", "copy" },
  { "lua/view/board.c", "malloc-leak" },
}
