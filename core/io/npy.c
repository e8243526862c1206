/* npy.c - numpy's .npy files, and plain numbers as tensors.
 *
 * The format: numpy's NEP 1. "\x93NUMPY", two bytes of version, the head's length (2 bytes in version 1, 4 in 2 and 3),
 * the head, a Python dictionary such as {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }, then the numbers.
 * The head is read as what numpy writes: these three keys, in any order, with literals. */
#include "io/io.h"

#include <stdlib.h>
#include <string.h>

/* ---- Numbers ---- */

bool gan_number_type_read(const char *text, gan_number_type *type)
{
    if (strlen(text) != 3 || !strchr("<>|=", text[0]) || !strchr("biuf", text[1]) || text[2] < '1' || text[2] > '8')
        return false;
    *type = (gan_number_type){.kind = text[1], .bytes = text[2] - '0', .reversed = text[0] == '>'};
    bool whole = type->bytes == 1 || type->bytes == 2 || type->bytes == 4 || type->bytes == 8;
    return whole && (type->kind != 'b' || type->bytes == 1) && (type->kind != 'f' || type->bytes > 1);
}

static double half(uint64_t bits)
{
    int exponent = (int)(bits >> 10 & 31);
    double fraction = (double)(bits & 1023);
    union {
        uint64_t bits;
        double number;
    } value = {.bits = 0x7ff0000000000000u | (bits & 1023) << 42}; /* infinite, or no number */
    if (exponent < 31)
        value.bits = exponent == 0 ? 0 : (uint64_t)(exponent - 15 + 1023) << 52 | (bits & 1023) << 42;
    double number = exponent == 0 ? fraction * 0x1p-24 : value.number;
    return bits & 0x8000 ? -number : number;
}

static double number_at(const uint8_t *at, gan_number_type type)
{
    uint64_t bits = 0;
    for (int i = 0; i < type.bytes; i++)
        bits |= (uint64_t)at[type.reversed ? type.bytes - 1 - i : i] << (8 * i);
    if (type.kind == 'b')
        return bits != 0;
    if (type.kind == 'u')
        return (double)bits;
    if (type.kind == 'i') {
        int unused = 64 - 8 * type.bytes;
        return (double)((int64_t)(bits << unused) >> unused);
    }
    if (type.bytes == 2)
        return half(bits);
    if (type.bytes == 4) {
        uint32_t low = (uint32_t)bits;
        float number;
        memcpy(&number, &low, sizeof number);
        return number;
    }
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

gan_tensor *gan_numbers(gan_context *ctx, const uint8_t *bytes, size_t size, gan_number_type type, gan_shape shape,
                        double scale, double shift, const char *name)
{
    uint64_t count = 1;
    bool fits = shape.rank <= GAN_MAX_RANK;
    for (int axis = 0; fits && axis < shape.rank; axis++) {
        fits = shape.dims[axis] >= 0 && (count == 0 || (uint64_t)shape.dims[axis] <= size / count);
        count *= fits ? (uint64_t)shape.dims[axis] : 0;
    }
    if (!fits || count * (uint64_t)type.bytes != size) {
        char text[GAN_SHAPE_TEXT];
        gan_fail(ctx, GAN_ERROR_IO, "%s: %zu bytes are not %s numbers of %d bytes", name, size,
                 gan_shape_text(shape, text, sizeof text), type.bytes);
    }
    gan_tensor *t = gan_from(ctx, shape, NULL);
    gan_real *to = gan_write(t);
    if (type.bytes == 1 && type.kind == 'u') { /* pictures: by far the most common, and worth a table */
        gan_real table[256];
        for (int byte = 0; byte < 256; byte++)
            table[byte] = (gan_real)(byte * scale + shift);
        for (uint64_t i = 0; i < count; i++)
            to[i] = table[bytes[i]];
        return t;
    }
    for (uint64_t i = 0; i < count; i++)
        to[i] = (gan_real)(number_at(bytes + i * (uint64_t)type.bytes, type) * scale + shift);
    return t;
}

/* ---- The head ---- */

struct head {
    const char *at, *end;
    bool wrong;
};

static void skip_blanks(struct head *h)
{
    while (h->at < h->end && (*h->at == ' ' || *h->at == '\n' || *h->at == '\t'))
        h->at++;
}

static bool take(struct head *h, const char *word)
{
    skip_blanks(h);
    size_t length = strlen(word);
    if ((size_t)(h->end - h->at) < length || memcmp(h->at, word, length) != 0)
        return false;
    h->at += length;
    return true;
}

/* Reads 'text', of fewer than size bytes. */
static void take_string(struct head *h, char *text, size_t size)
{
    skip_blanks(h);
    char quote = h->at < h->end ? *h->at : 0;
    size_t length = 0;
    h->wrong = h->wrong || (quote != '\'' && quote != '"');
    text[0] = 0;
    if (h->wrong)
        return;
    for (h->at++; h->at < h->end && *h->at != quote; h->at++) {
        if (length + 1 < size)
            text[length++] = *h->at;
    }
    text[length] = 0;
    if (h->at < h->end)
        h->at++;
    else
        h->wrong = true;
}

/* Reads (), (3,) or (3, 4); a rank beyond ours is counted on. */
static void take_shape(struct head *h, gan_shape *shape, bool *huge)
{
    h->wrong = h->wrong || !take(h, "(");
    shape->rank = 0;
    while (!h->wrong && !take(h, ")")) {
        int64_t size = 0;
        int digits = 0;
        skip_blanks(h);
        for (; h->at < h->end && *h->at >= '0' && *h->at <= '9'; h->at++, digits++) {
            *huge = *huge || size > (INT64_MAX - 9) / 10;
            size = *huge ? 0 : 10 * size + (*h->at - '0');
        }
        take(h, "L"); /* Python 2's */
        if (shape->rank < GAN_MAX_RANK)
            shape->dims[shape->rank] = size;
        shape->rank++;
        h->wrong = digits == 0 || shape->rank > 64;
        if (!take(h, ",")) {
            h->wrong = h->wrong || !take(h, ")");
            return;
        }
    }
}

gan_npy gan_npy_parse(gan_context *ctx, const uint8_t *bytes, size_t there, uint64_t size, const char *name)
{
    if (there < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        gan_fail(ctx, GAN_ERROR_IO, "%s: not a .npy file: it does not begin with \\x93NUMPY", name);
    if (bytes[6] < 1 || bytes[6] > 3)
        gan_fail(ctx, GAN_ERROR_IO, "%s: .npy version %d.%d is not known (1.0 to 3.0 are)", name, bytes[6], bytes[7]);
    size_t start = bytes[6] == 1 ? 10 : 12;
    size_t length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (start == 12 && there >= 12)
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (there < start || length > there - start)
        gan_fail(ctx, GAN_ERROR_IO, "%s: .npy file is truncated: its head needs %zu bytes, there are %zu", name,
                 start + length, there);

    gan_npy npy = {.offset = start + length};
    struct head h = {.at = (const char *)bytes + start, .end = (const char *)bytes + start + length};
    char type[16] = "";
    bool huge = false, has_type = false, has_order = false, has_shape = false;
    h.wrong = !take(&h, "{");
    while (!h.wrong && !take(&h, "}")) {
        char key[24];
        take_string(&h, key, sizeof key);
        h.wrong = h.wrong || !take(&h, ":");
        if (h.wrong)
            break;
        if (strcmp(key, "descr") == 0) {
            skip_blanks(&h);
            if (h.at < h.end && *h.at == '[')
                gan_fail(ctx, GAN_ERROR_IO, "%s: holds records of several fields, wanted plain numbers", name);
            take_string(&h, type, sizeof type);
            has_type = true;
        } else if (strcmp(key, "fortran_order") == 0) {
            npy.columns_first = take(&h, "True");
            h.wrong = !npy.columns_first && !take(&h, "False");
            has_order = true;
        } else if (strcmp(key, "shape") == 0) {
            take_shape(&h, &npy.shape, &huge);
            has_shape = true;
        } else {
            h.wrong = true;
        }
        take(&h, ",");
    }
    if (h.wrong || !has_type || !has_order || !has_shape)
        gan_fail(ctx, GAN_ERROR_IO, "%s: damaged .npy file: its head is not what numpy writes", name);
    if (!gan_number_type_read(type, &npy.type))
        gan_fail(ctx, GAN_ERROR_IO, "%s: numbers of type '%s' are not read (b1, i1 to i8, u1 to u8, f2, f4, f8 are)",
                 name, type);
    memcpy(npy.type_text, type, sizeof npy.type_text);
    if (npy.shape.rank > GAN_MAX_RANK)
        gan_fail(ctx, GAN_ERROR_IO, "%s: has %d axes, at most %d are read", name, npy.shape.rank, GAN_MAX_RANK);

    uint64_t count = (uint64_t)npy.type.bytes;
    for (int axis = 0; !huge && axis < npy.shape.rank; axis++) {
        huge = npy.shape.dims[axis] > 0 && count > INT64_MAX / (uint64_t)npy.shape.dims[axis];
        count = huge ? 0 : count * (uint64_t)npy.shape.dims[axis];
    }
    uint64_t data = size - npy.offset;
    if (huge || count != data) {
        char text[GAN_SHAPE_TEXT];
        gan_fail(ctx, GAN_ERROR_IO, "%s: .npy file %s: %s numbers of type '%s' do not take %llu bytes", name,
                 huge || count > data ? "is truncated" : "has trailing bytes",
                 gan_shape_text(npy.shape, text, sizeof text), type, (unsigned long long)data);
    }
    return npy;
}
