--- The text of an exported network's files around what its layers compute; $NAME and the like are filled in.

local templates = {}

templates.header = [[
/* $FILE.h - a network made and trained with ganlua, as plain C99. $FILE.c needs nothing but libm:
 *
 *     cc -O3 -march=native -c $FILE.c        (and -lm where you link)
 *
 * In: $IN numbers$LATENT.
$CLASS * Out: $COUNT numbers$LAYOUT, $RANGE.
 *
 * $NAME_generate computes in static memory, so one thread at a time may call it. $NAME_generate_with computes in
 * memory of yours, $UPPER_SCRATCH floats: any number of threads may call it at once, each with its own. Neither
 * allocates, and neither can fail.
$LOADING *
$LAYERS
 */
]]

templates.declarations = [[
#ifndef $UPPER_H
#define $UPPER_H
$INCLUDE
#ifdef __cplusplus
extern "C" {
#endif

#define $UPPER_INPUT $IN
$SIZES#define $UPPER_OUTPUT $COUNT
#define $UPPER_SCRATCH $SCRATCH

$LOAD/* z: $UPPER_INPUT floats; image: $UPPER_OUTPUT floats, which are written. */
void $NAME_generate(const float *z$LABEL, float *image);
/* The same in the caller's memory; scratch: $UPPER_SCRATCH floats. */
void $NAME_generate_with(const float *z$LABEL, float *image, float *scratch);

#ifdef __cplusplus
}
#endif
#endif
]]

templates.load_declarations = [[
/* The weights, from the file $FILE.weights: 0; -1 where it cannot be read, -2 where it is damaged or another network's.
 * Before that, everything is computed with zeros. */
int $NAME_load(const char *path);
/* The same from bytes in memory. */
int $NAME_load_from(const void *bytes, size_t size);

]]

templates.loader = [[
static float weights[$WEIGHTS];

/* The file: "ganlua-w", then the number of floats and the CRC-32 of their bytes, then the floats; all little-endian. */
static unsigned long little_endian(const unsigned char *at)
{
    return at[0] | (unsigned long)at[1] << 8 | (unsigned long)at[2] << 16 | (unsigned long)at[3] << 24;
}

static unsigned long crc_32(const unsigned char *bytes, size_t size)
{
    unsigned long crc = 0xfffffffful;
    size_t i;
    int bit;
    for (i = 0; i < size; i++)
        for (crc ^= bytes[i], bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320ul : 0);
    return crc ^ 0xfffffffful;
}

int $NAME_load_from(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    size_t i;
    if (size != 16 + sizeof weights || memcmp(at, "ganlua-w", 8) != 0 || little_endian(at + 8) != $WEIGHTS ||
        little_endian(at + 12) != crc_32(at + 16, sizeof weights))
        return -2;
    for (i = 0, at += 16; i < $WEIGHTS; i++, at += 4) {
        const uint32_t bits = (uint32_t)little_endian(at);
        memcpy(&weights[i], &bits, 4);
    }
    return 0;
}

int $NAME_load(const char *path)
{
    static unsigned char bytes[16 + sizeof weights + 1];
    size_t size;
    FILE *file = fopen(path, "rb");
    if (!file)
        return -1;
    size = fread(bytes, 1, sizeof bytes, file);
    if (ferror(file)) {
        fclose(file);
        return -1;
    }
    fclose(file);
    return $NAME_load_from(bytes, size);
}
]]

templates.body = [[
void $NAME_generate_with(const float *z$LABEL, float *image, float *scratch)
{
$CHECK$CALLS
}

void $NAME_generate(const float *z$LABEL, float *image)
{
    static float scratch[$UPPER_SCRATCH];
    $NAME_generate_with(z$PASS, image, scratch);
}
]]

--- A template with its names replaced.
---@param text string
---@param values table<string, any>
---@return string
function templates.filled(text, values)
  return (text:gsub("%$(%u+)", function(name) return tostring(assert(values[name], name)) end))
end

return templates
