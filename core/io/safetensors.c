/* safetensors.c - named tensors as bytes: 8 bytes of header length (little-endian), a JSON header
 *
 *     {"__metadata__":{"key":"value"},"name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}, ...}
 *
 * padded with spaces to a multiple of 8, then the numbers, little-endian, where data_offsets say.
 *
 * 1. Encoding is a function of its contents: tensors and metadata are written in the order of their
 *    names.
 * 2. Decoding makes no tensor before the whole header is proved: the tensors cover the bytes after it
 *    exactly, without overlap or hole.
 * 3. While jansson holds memory nothing here can fail; what is wrong is noted, and told afterwards. */
#include "io/io.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METADATA     "__metadata__"
#define LENGTH_BYTES 8
/* The bound of the reference implementation, so that a hostile header cannot ask for much. */
#define MAX_HEADER   ((size_t)100 * 1000 * 1000)

/* ---- Little-endian numbers ------------------------------------------------------------------- */

static uint64_t load_u64(const uint8_t *from)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | from[i];
    return value;
}

static void store_u64(uint8_t *to, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static void load_f32(gan_real *to, const uint8_t *from, int64_t count)
{
    for (int64_t i = 0; i < count; i++, from += 4) {
        uint32_t bits = from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
        float value;
        memcpy(&value, &bits, 4);
        to[i] = (gan_real)value;
    }
}

static void store_f32(uint8_t *to, const gan_real *from, int64_t count)
{
    for (int64_t i = 0; i < count; i++, to += 4) {
        float value = (float)from[i];
        uint32_t bits;
        memcpy(&bits, &value, 4);
        for (int k = 0; k < 4; k++)
            to[k] = (uint8_t)(bits >> (8 * k));
    }
}

/* ---- Encoding -------------------------------------------------------------------------------- */

/* Text that is measured with at == NULL and written with the same calls afterwards. */
typedef struct writer {
    uint8_t *at;
    size_t length;
} writer;

static void put(writer *out, const char *text, size_t length)
{
    if (out->at)
        memcpy(out->at + out->length, text, length);
    out->length += length;
}

static void put_format(writer *out, const char *format, ...)
{
    char text[64];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put(out, text, (size_t)length);
}

static void put_string(writer *out, const char *text)
{
    put(out, "\"", 1);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            put_format(out, "\\%c", c);
        } else if (c < 0x20) {
            put_format(out, "\\u%04x", c);
        } else {
            put(out, text, 1);
        }
    }
    put(out, "\"", 1);
}

/* RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF. */
static bool is_utf8(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        int more = *at < 0x80                  ? 0
                   : *at >= 0xc2 && *at < 0xe0 ? 1
                   : *at >= 0xe0 && *at < 0xf0 ? 2
                   : *at >= 0xf0 && *at < 0xf5 ? 3
                                               : -1;
        unsigned char low = *at == 0xe0   ? 0xa0
                            : *at == 0xf0 ? 0x90
                                          : 0x80,
                      high = *at == 0xed   ? 0x9f
                             : *at == 0xf4 ? 0x8f
                                           : 0xbf;
        if (more < 0)
            return false;
        for (at++; more > 0; more--, at++) {
            if (*at < low || *at > high)
                return false;
            low = 0x80, high = 0xbf;
        }
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const gan_named *)a)->name, ((const gan_named *)b)->name);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const gan_pair *)a)->key, ((const gan_pair *)b)->key);
}

static void put_header(writer *out, int64_t count, const gan_named *tensors, int64_t pairs, const gan_pair *metadata)
{
    uint64_t begin = 0;
    const char *comma = "";
    put(out, "{", 1);
    if (pairs > 0) {
        put_string(out, METADATA);
        for (int64_t i = 0; i < pairs; i++) {
            put_format(out, i ? "," : ":{");
            put_string(out, metadata[i].key);
            put(out, ":", 1);
            put_string(out, metadata[i].value);
        }
        put(out, "}", 1);
        comma = ",";
    }
    for (int64_t i = 0; i < count; i++, comma = ",") {
        gan_shape shape = gan_shape_of(tensors[i].tensor);
        uint64_t end = begin + 4 * (uint64_t)gan_numel(tensors[i].tensor);
        put_format(out, "%s", comma);
        put_string(out, tensors[i].name);
        put_format(out, ":{\"dtype\":\"F32\",\"shape\":[");
        for (int axis = 0; axis < shape.rank; axis++)
            put_format(out, axis ? ",%" PRId64 : "%" PRId64, shape.dims[axis]);
        put_format(out, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin, end);
        begin = end;
    }
    put(out, "}", 1);
}

const uint8_t *gan_safetensors_encode(gan_context *ctx, int64_t count, const gan_named tensors[],
                                      int64_t metadata_count, const gan_pair metadata[], size_t *size)
{
    gan_named *named = gan_scratch(ctx, ((size_t)count + 1) * sizeof *named);
    gan_pair *pairs = gan_scratch(ctx, ((size_t)metadata_count + 1) * sizeof *pairs);
    if (count > 0)
        memcpy(named, tensors, (size_t)count * sizeof *named);
    if (metadata_count > 0)
        memcpy(pairs, metadata, (size_t)metadata_count * sizeof *pairs);
    qsort(named, (size_t)count, sizeof *named, by_name);
    qsort(pairs, (size_t)metadata_count, sizeof *pairs, by_key);

    size_t data = 0;
    for (int64_t i = 0; i < count; i++) {
        const char *name = named[i].name;
        if (!is_utf8(name))
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "safetensors_encode: tensor name '%s' is not UTF-8", name);
        if (strcmp(name, METADATA) == 0) {
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "safetensors_encode: a tensor cannot be named '%s'", name);
        }
        if (i > 0 && strcmp(name, named[i - 1].name) == 0) {
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "safetensors_encode: two tensors are named '%s'", name);
        }
        data += 4 * (size_t)gan_numel(named[i].tensor);
    }
    for (int64_t i = 0; i < metadata_count; i++) {
        if (!is_utf8(pairs[i].key) || !is_utf8(pairs[i].value)) {
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "safetensors_encode: metadata '%s' is not UTF-8", pairs[i].key);
        }
        if (i > 0 && strcmp(pairs[i].key, pairs[i - 1].key) == 0) {
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "safetensors_encode: metadata has '%s' twice", pairs[i].key);
        }
    }

    writer header = {NULL, 0};
    put_header(&header, count, named, metadata_count, pairs);
    size_t padded = (header.length + 7) / 8 * 8;
    if (padded > MAX_HEADER) {
        gan_fail(ctx, GAN_ERROR_ARGUMENT,
                 "safetensors_encode: names and metadata take %zu bytes, at most %zu are allowed", padded, MAX_HEADER);
    }
    *size = LENGTH_BYTES + padded + data;
    uint8_t *bytes = gan_scratch(ctx, *size), *at = bytes + LENGTH_BYTES;
    store_u64(bytes, padded);
    memset(at, ' ', padded);
    header = (writer){at, 0};
    put_header(&header, count, named, metadata_count, pairs);
    at += padded;
    for (int64_t i = 0; i < count; i++) {
        int64_t numel = gan_numel(named[i].tensor);
        store_f32(at, gan_data(named[i].tensor), numel);
        at += 4 * numel;
    }
    return bytes;
}

/* ---- Decoding -------------------------------------------------------------------------------- */

typedef struct entry {
    const char *name;
    gan_shape shape;
    uint64_t begin, end; /* bytes, from the end of the header */
} entry;

/* The header while it is read. The room was made beforehand, by the least that a tensor, a pair and
 * a string take of its bytes. */
typedef struct header {
    int64_t count, pairs;
    entry *entries;
    gan_pair *metadata;
    char *strings; /* where the next string goes */
    gan_error kind;
    char reason[512]; /* what is wrong, said after the file's name */
} header;

static const size_t least_tensor = sizeof "\"\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,0]}" - 1;
static const size_t least_pair = sizeof "\"\":\"\"" - 1;

/* Notes what is wrong; always false. */
static bool wrong(header *head, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(head->reason, sizeof head->reason, format, arguments);
    va_end(arguments);
    head->kind = GAN_ERROR_IO;
    return false;
}

static const char *keep_string(header *head, const char *text)
{
    char *kept = head->strings;
    head->strings += strlen(text) + 1;
    return strcpy(kept, text);
}

static bool read_metadata(header *head, json_t *object)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return wrong(head, "%s is not a JSON object", METADATA);
    json_object_foreach(object, key, value)
    {
        if (!json_is_string(value))
            return wrong(head, "metadata '%.200s' is not a string", key);
        head->metadata[head->pairs].key = keep_string(head, key);
        head->metadata[head->pairs++].value = keep_string(head, json_string_value(value));
    }
    return true;
}

static bool read_tensor(header *head, const char *name, json_t *object)
{
    if (!json_is_object(object))
        return wrong(head, "tensor '%.200s' is not described by a JSON object", name);
    const char *dtype = json_string_value(json_object_get(object, "dtype"));
    if (!dtype)
        return wrong(head, "tensor '%.200s' has no dtype", name);
    if (strcmp(dtype, "F32") != 0) {
        return wrong(head, "tensor '%.200s' has dtype %.40s, only F32 is supported", name, dtype);
    }

    json_t *dims = json_object_get(object, "shape");
    entry *made = &head->entries[head->count];
    if (!json_is_array(dims))
        return wrong(head, "tensor '%.200s' has no shape", name);
    if (json_array_size(dims) > GAN_MAX_RANK) {
        return wrong(head, "tensor '%.200s' has rank %zu, at most %d is supported", name, json_array_size(dims),
                     GAN_MAX_RANK);
    }
    made->shape = (gan_shape){.rank = (int)json_array_size(dims)};
    uint64_t bytes = 4;
    bool overflow = false;
    for (int axis = 0; axis < made->shape.rank; axis++) {
        json_t *dim = json_array_get(dims, (size_t)axis);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0) {
            return wrong(head, "tensor '%.200s': axis %d of its shape is not a whole number from 0", name, axis);
        }
        uint64_t length = (uint64_t)json_integer_value(dim);
        made->shape.dims[axis] = (int64_t)length;
        overflow = overflow || (length > 0 && bytes > INT64_MAX / length);
        if (!overflow)
            bytes *= length;
    }
    if (overflow)
        return wrong(head, "tensor '%.200s': its shape overflows", name);

    json_t *offsets = json_object_get(object, "data_offsets");
    json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin)) {
        return wrong(head, "tensor '%.200s': data_offsets are not two whole numbers in order", name);
    }
    made->begin = (uint64_t)json_integer_value(begin);
    made->end = (uint64_t)json_integer_value(end);
    if (made->end - made->begin != bytes) {
        char shape[GAN_SHAPE_TEXT];
        return wrong(head, "tensor '%.200s': shape %s needs %" PRIu64 " bytes, its data_offsets span %" PRIu64, name,
                     gan_shape_text(made->shape, shape, sizeof shape), bytes, made->end - made->begin);
    }
    made->name = keep_string(head, name);
    head->count++;
    return true;
}

/* Fills head from the JSON text; false, with a reason, when it is not as it should be. */
static bool read_header(header *head, const char *text, size_t length)
{
    json_error_t error;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        wrong(head, "header is not valid JSON: %s (at byte %d)", error.text, error.position);
        if (json_error_code(&error) == json_error_out_of_memory)
            head->kind = GAN_ERROR_MEMORY;
        return false;
    }
    bool good = json_is_object(root) || wrong(head, "header is not a JSON object");
    const char *name;
    json_t *value;
    if (good) {
        json_object_foreach(root, name, value)
        {
            good = strcmp(name, METADATA) == 0 ? read_metadata(head, value) : read_tensor(head, name, value);
            if (!good)
                break;
        }
    }
    json_decref(root);
    return good;
}

static int by_place(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Sorts the tensors by place and checks that they cover exactly `there` bytes. */
static bool check_places(header *head, uint64_t there)
{
    qsort(head->entries, (size_t)head->count, sizeof *head->entries, by_place);
    uint64_t expected = 0;
    for (int64_t i = 0; i < head->count; i++) {
        const entry *at = &head->entries[i];
        if (at->end > there) {
            return wrong(head,
                         "tensor '%.200s' ends at byte %" PRIu64 " of the data, there are %" PRIu64 " (truncated?)",
                         at->name, at->end, there);
        }
        if (at->begin != expected) {
            return wrong(head, "tensor '%.200s' begins at byte %" PRIu64 " of the data, %s byte %" PRIu64, at->name,
                         at->begin, at->begin < expected ? "overlapping what reaches to" : "leaving a hole from",
                         expected);
        }
        expected = at->end;
    }
    if (expected != there) {
        return wrong(head, "tensors take %" PRIu64 " bytes of data, there are %" PRIu64, expected, there);
    }
    return true;
}

gan_safetensors gan_safetensors_decode(gan_context *ctx, const uint8_t *bytes, size_t size, const char *name)
{
    if (size < LENGTH_BYTES)
        gan_fail(ctx, GAN_ERROR_IO, "%s: not a safetensors file: it has only %zu bytes", name, size);
    uint64_t length = load_u64(bytes);
    if (length > MAX_HEADER) {
        gan_fail(ctx, GAN_ERROR_IO,
                 "%s: not a safetensors file: a header of %" PRIu64 " bytes (at most %zu are allowed)", name, length,
                 MAX_HEADER);
    }
    if (length > size - LENGTH_BYTES) {
        gan_fail(ctx, GAN_ERROR_IO,
                 "%s: safetensors file is truncated: its header needs %" PRIu64 " bytes, there are %zu", name, length,
                 size - LENGTH_BYTES);
    }
    const uint8_t *text = bytes + LENGTH_BYTES, *data = text + length;
    if (length == 0 || text[0] != '{') {
        gan_fail(ctx, GAN_ERROR_IO, "%s: not a safetensors file: its header does not start with '{'", name);
    }

    header head = {0};
    head.entries = gan_scratch(ctx, (length / least_tensor + 1) * sizeof *head.entries);
    head.metadata = gan_scratch(ctx, (length / least_pair + 1) * sizeof *head.metadata);
    head.strings = gan_scratch(ctx, length + 1);
    if (!read_header(&head, (const char *)text, length) || !check_places(&head, size - LENGTH_BYTES - length)) {
        gan_fail(ctx, head.kind, "%s: safetensors %s", name, head.reason);
    }

    gan_safetensors out = {.count = head.count, .metadata_count = head.pairs, .metadata = head.metadata};
    out.tensors = gan_scratch(ctx, ((size_t)head.count + 1) * sizeof *out.tensors);
    for (int64_t i = 0; i < head.count; i++) {
        const entry *at = &head.entries[i];
        gan_tensor *tensor = gan_from(ctx, at->shape, NULL);
        load_f32(gan_write(tensor), data + at->begin, gan_numel(tensor));
        out.tensors[i] = (gan_named){at->name, tensor};
    }
    return out;
}
