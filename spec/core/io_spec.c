/* io_spec.c - core/io: what is written is read back, and nothing hostile gets further than an error.
 *
 * Every test runs in a context of its own and a folder of its own; when it is over, no byte and no
 * tensor may be left, whatever failed in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "io/io.h"

/* No variable changes between a setjmp below and its longjmp, but in loops GCC cannot see that. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wclobbered"
#endif

static gan_context *ctx;
static char folder[256], path[512];
static jmp_buf escape;
static gan_error kind;
static char message[2048];

static void on_fail(void *user, gan_error what, const char *text)
{
    (void)user;
    kind = what;
    snprintf(message, sizeof message, "%s", text);
    longjmp(escape, 1);
}

/* The statement fails with this kind of error, and the message has both texts in it. */
#define assert_fails(what, text1, text2, statement)                                                                    \
    do {                                                                                                               \
        if (!setjmp(escape)) {                                                                                         \
            statement;                                                                                                 \
            fail_msg("did not fail: %s", #statement);                                                                  \
        }                                                                                                              \
        if (kind != (what) || !strstr(message, text1) || !strstr(message, text2))                                      \
            fail_msg("wanted kind %d, '%s' and '%s', got kind %d: %s", what, text1, text2, kind, message);             \
    } while (0)

/* The statement succeeds; a failure here would otherwise jump to a test that is over. */
#define assert_works(statement)                                                                                        \
    do {                                                                                                               \
        if (setjmp(escape))                                                                                            \
            fail_msg("%s: %s", #statement, message);                                                                   \
        statement;                                                                                                     \
    } while (0)

static int set_up(void **state)
{
    (void)state;
    ctx = gan_open(&(gan_config){.threads = 1, .seed = 1, .on_fail = on_fail});
    const char *temporary = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/ganlua-io-XXXXXX", temporary ? temporary : "/tmp");
    return ctx && mkdtemp(folder) ? 0 : -1;
}

static int count_files(bool remove_them)
{
    int count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char name[1024];
        snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        count++;
        if (remove_them)
            remove(name);
    }
    closedir(dir);
    return count;
}

static int tear_down(void **state)
{
    (void)state;
    gan_pool_release(ctx, 0);
    gan_memory_info memory = gan_memory(ctx);
    gan_close(ctx);
    count_files(true);
    rmdir(folder);
    return memory.live == 0 && memory.tensors == 0 ? 0 : -1;
}

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_plain(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(in_folder(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* ---- Files ---- */

#define BIG 700001

static uint8_t *some_bytes(void)
{
    uint8_t *bytes = gan_scratch(ctx, BIG);
    for (int i = 0; i < BIG; i++)
        bytes[i] = (uint8_t)((uint32_t)i * 2654435761u >> 13);
    return bytes;
}

static void reads_what_it_wrote(void **state)
{
    (void)state;
    uint8_t *bytes = some_bytes(), *back = gan_scratch(ctx, BIG);
    assert_works(gan_file_write(ctx, in_folder("a"), bytes, BIG));
    assert_works(assert_int_equal(gan_file_measure(ctx, path), BIG));
    assert_works(gan_file_read(ctx, path, back, BIG));
    assert_memory_equal(bytes, back, BIG);

    assert_int_equal(chmod(path, 0640), 0);
    assert_works(gan_file_write(ctx, path, "new", 3));
    assert_works(assert_int_equal(gan_file_measure(ctx, path), 3));
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_works(gan_file_write(ctx, path, "", 0));
    assert_works(assert_int_equal(gan_file_measure(ctx, path), 0));
    assert_works(gan_file_read(ctx, path, back, 0));
    assert_int_equal(count_files(false), 1);
}

static void inflates_gzip(void **state)
{
    (void)state;
    uint8_t *bytes = some_bytes(), *back = gan_scratch(ctx, BIG);
    gzFile file = gzopen(in_folder("a.gz"), "wb");
    assert_int_equal(gzwrite(file, bytes, BIG), BIG);
    assert_int_equal(gzclose(file), Z_OK);
    assert_works(assert_int_equal(gan_file_measure(ctx, path), BIG));
    assert_works(gan_file_read(ctx, path, back, BIG));
    assert_memory_equal(bytes, back, BIG);
    assert_fails(GAN_ERROR_IO, "a.gz", "there are more", gan_file_read(ctx, path, back, BIG - 1));
    assert_fails(GAN_ERROR_IO, "a.gz", "there are fewer", gan_file_read(ctx, path, gan_scratch(ctx, BIG + 9), BIG + 9));
}

static void refuses_damaged_gzip(void **state)
{
    (void)state;
    uint8_t *bytes = some_bytes(), *packed = gan_scratch(ctx, BIG + 4096);
    gzFile file = gzopen(in_folder("whole.gz"), "wb");
    gzwrite(file, bytes, BIG);
    gzclose(file);
    FILE *plain = fopen(path, "rb");
    size_t size = fread(packed, 1, BIG + 4096, plain);
    fclose(plain);

    /* In its head, its data, and the CRC and length behind them. */
    size_t cuts[] = {3, 9, 11, size / 2, size - 8, size - 5, size - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        write_plain("cut.gz", packed, cuts[i]);
        assert_fails(GAN_ERROR_IO, "cut.gz", "truncated", gan_file_measure(ctx, path));
        assert_fails(GAN_ERROR_IO, "cut.gz", "truncated", gan_file_read(ctx, path, bytes, BIG));
    }
    size_t flips[] = {size / 2, size - 8, size - 1};
    for (size_t i = 0; i < sizeof flips / sizeof *flips; i++) {
        packed[flips[i]] ^= 0x10;
        write_plain("flip.gz", packed, size);
        packed[flips[i]] ^= 0x10;
        assert_fails(GAN_ERROR_IO, "flip.gz", "corrupt", gan_file_measure(ctx, path));
    }
}

static void refuses_what_is_no_file(void **state)
{
    (void)state;
    assert_fails(GAN_ERROR_IO, "nothing", "No such file", gan_file_measure(ctx, in_folder("nothing")));
    assert_fails(GAN_ERROR_IO, folder, "directory", gan_file_measure(ctx, folder));
    assert_fails(GAN_ERROR_IO, "/dev/null", "not a regular file", gan_file_measure(ctx, "/dev/null"));
    assert_fails(GAN_ERROR_IO, folder, "directory", gan_file_write(ctx, folder, "x", 1));
    assert_fails(GAN_ERROR_IO, "/dev/null", "not a regular file", gan_file_write(ctx, "/dev/null", "x", 1));
    assert_fails(GAN_ERROR_IO, "no/x", "No such file", gan_file_write(ctx, in_folder("no/x"), "x", 1));
    write_plain("file", "x", 1);
    assert_fails(GAN_ERROR_IO, "file/x", "Not a directory", gan_file_write(ctx, in_folder("file/x"), "x", 1));
}

static void keeps_the_old_file_when_writing_fails(void **state)
{
    (void)state;
    uint8_t *bytes = some_bytes();
    write_plain("a", "old", 3);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 4096;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool failed = setjmp(escape) != 0;
    if (!failed)
        gan_file_write(ctx, path, bytes, BIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_true(failed);
    assert_int_equal(kind, GAN_ERROR_IO);
    assert_non_null(strstr(message, "File too large"));
    assert_int_equal(count_files(false), 1);
    char back[4] = "";
    assert_works(gan_file_read(ctx, path, back, 3));
    assert_string_equal(back, "old");
}

/* ---- IDX ---- */

/* A head of this type and these sizes, then `data` bytes 0, 1, 2, ... */
static size_t make_idx(uint8_t *out, int type, int rank, const uint32_t *dims, size_t data)
{
    uint8_t *at = out;
    *at++ = 0, *at++ = 0, *at++ = (uint8_t)type, *at++ = (uint8_t)rank;
    for (int i = 0; i < rank; i++)
        for (int shift = 24; shift >= 0; shift -= 8)
            *at++ = (uint8_t)(dims[i] >> shift);
    for (size_t i = 0; i < data; i++)
        *at++ = (uint8_t)i;
    return (size_t)(at - out);
}

static void reads_idx(void **state)
{
    (void)state;
    uint8_t bytes[256];
    size_t size = make_idx(bytes, 8, 3, (uint32_t[]){4, 2, 3}, 24);
    gan_idx idx;
    assert_works(idx = gan_idx_parse(ctx, bytes, size, "x"));
    assert_int_equal(idx.offset, 16);
    assert_true(gan_same_shape(idx.shape, GAN_SHAPE(4, 2, 3)));

    gan_tensor *which = gan_from(ctx, GAN_SHAPE(2), (gan_real[]){3, 0}), *pictures, *labels;
    assert_works(pictures = gan_pictures(ctx, bytes, size, idx.offset, GAN_SHAPE(2, 3, 1), which, 0.5, -1));
    assert_true(gan_same_shape(gan_shape_of(pictures), GAN_SHAPE(2, 2, 3, 1)));
    for (int i = 0; i < 6; i++) {
        assert_true(gan_data(pictures)[i] == (gan_real)(0.5 * (18 + i) - 1));
        assert_true(gan_data(pictures)[6 + i] == (gan_real)(0.5 * i - 1));
    }
    assert_works(labels = gan_labels(ctx, bytes, size, idx.offset + 7, which));
    assert_true(gan_data(labels)[0] == 10 && gan_data(labels)[1] == 7);
    size = make_idx(bytes, 8, 3, (uint32_t[]){0, 28, 28}, 0);
    assert_works(idx = gan_idx_parse(ctx, bytes, size, "x"));
    assert_true(gan_same_shape(idx.shape, GAN_SHAPE(0, 28, 28)));
}

static void refuses_bad_idx(void **state)
{
    (void)state;
    uint8_t bytes[256];
    size_t size = make_idx(bytes, 8, 2, (uint32_t[]){5, 4}, 20);
    assert_fails(GAN_ERROR_IO, "d/x", "only 3 bytes", gan_idx_parse(ctx, bytes, 3, "d/x"));
    assert_fails(GAN_ERROR_IO, "d/x", "needs 12 bytes, there are 9", gan_idx_parse(ctx, bytes, 9, "d/x"));
    assert_fails(GAN_ERROR_IO, "truncated", "needs 20 bytes of data, there are 19",
                 gan_idx_parse(ctx, bytes, size - 1, "d/x"));
    assert_fails(GAN_ERROR_IO, "trailing", "needs 20 bytes of data, there are 21",
                 gan_idx_parse(ctx, bytes, size + 1, "d/x"));
    bytes[1] = 0x1f;
    assert_fails(GAN_ERROR_IO, "d/x", "00 1f", gan_idx_parse(ctx, bytes, size, "d/x"));
    size = make_idx(bytes, 13, 2, (uint32_t[]){5, 4}, 20);
    assert_fails(GAN_ERROR_IO, "d/x", "0x0d", gan_idx_parse(ctx, bytes, size, "d/x"));
    size = make_idx(bytes, 8, 5, (uint32_t[]){1, 1, 1, 1, 1}, 1);
    assert_fails(GAN_ERROR_IO, "d/x", "rank 5", gan_idx_parse(ctx, bytes, size, "d/x"));
    size = make_idx(bytes, 8, 0, NULL, 1);
    assert_fails(GAN_ERROR_IO, "d/x", "rank 0", gan_idx_parse(ctx, bytes, size, "d/x"));
    size = make_idx(bytes, 8, 3, (uint32_t[]){UINT32_MAX, UINT32_MAX, UINT32_MAX}, 1);
    assert_fails(GAN_ERROR_IO, "d/x", "overflows", gan_idx_parse(ctx, bytes, size, "d/x"));
}

static void refuses_bad_indices(void **state)
{
    (void)state;
    uint8_t bytes[64] = {0};
    gan_real bad[] = {-1, 0.5, 9, NAN, INFINITY};
    for (int i = 0; i < 5; i++) {
        gan_tensor *which = gan_from(ctx, GAN_SHAPE(1), &bad[i]);
        assert_fails(GAN_ERROR_ARGUMENT, "pictures", "from 0 to 8",
                     gan_pictures(ctx, bytes, 40, 4, GAN_SHAPE(2, 2, 1), which, 1, 0));
        assert_fails(GAN_ERROR_ARGUMENT, "labels", "from 0 to 8", gan_labels(ctx, bytes, 13, 4, which));
    }
    gan_tensor *one = gan_zeros(ctx, GAN_SHAPE(1)), *square = gan_zeros(ctx, GAN_SHAPE(2, 2));
    assert_fails(GAN_ERROR_ARGUMENT, "pictures", "1152921504606846976x16x1",
                 gan_pictures(ctx, bytes, 64, 0, GAN_SHAPE((int64_t)1 << 60, 16, 1), one, 1, 0));
    assert_fails(GAN_ERROR_ARGUMENT, "offset", "65", gan_labels(ctx, bytes, 64, 65, one));
    assert_fails(GAN_ERROR_ARGUMENT, "rank 1", "2x2", gan_labels(ctx, bytes, 64, 0, square));
    assert_fails(GAN_ERROR_ARGUMENT, "from 0 to -1", "0", gan_labels(ctx, bytes, 64, 64, one));
}

/* ---- safetensors ---- */

static const uint8_t *encode_sample(size_t *size, bool reversed)
{
    static const gan_real numbers[6] = {1.5, -2, 0, 3.25, 1e-30, -7};
    gan_named tensors[] = {{"g.w\"\\\n", gan_from(ctx, GAN_SHAPE(2, 3), numbers)},
                           {"d.bias", gan_from(ctx, GAN_SHAPE(1), numbers)},
                           {"empty", gan_zeros(ctx, GAN_SHAPE(0, 4))},
                           {"\xc3\xa9", gan_scalar(ctx, 4)}};
    gan_pair metadata[] = {{"step", "12"}, {"note", "tab\t\xe2\x82\xac"}};
    if (reversed) {
        gan_named first = tensors[0], second = tensors[1];
        gan_pair pair = metadata[0];
        tensors[0] = tensors[3], tensors[3] = first, tensors[1] = tensors[2], tensors[2] = second;
        metadata[0] = metadata[1], metadata[1] = pair;
    }
    return gan_safetensors_encode(ctx, 4, tensors, 2, metadata, size);
}

static void decodes_what_it_encoded(void **state)
{
    (void)state;
    size_t size, size2;
    const uint8_t *bytes, *bytes2;
    gan_safetensors out;
    assert_works(bytes = encode_sample(&size, false));
    assert_works(bytes2 = encode_sample(&size2, true));
    assert_int_equal(size, size2);
    assert_memory_equal(bytes, bytes2, size);
    assert_int_equal(bytes[0] % 8, 0);

    assert_works(out = gan_safetensors_decode(ctx, bytes, size, "x"));
    assert_int_equal(out.count, 4);
    assert_string_equal(out.tensors[0].name, "d.bias");
    assert_true(gan_item(out.tensors[0].tensor) == (gan_real)1.5);
    assert_true(gan_same_shape(gan_shape_of(out.tensors[1].tensor), GAN_SHAPE(0, 4)));
    assert_string_equal(out.tensors[2].name, "g.w\"\\\n");
    assert_true(gan_same_shape(gan_shape_of(out.tensors[2].tensor), GAN_SHAPE(2, 3)));
    assert_true(gan_data(out.tensors[2].tensor)[4] == (gan_real)(float)1e-30);
    assert_string_equal(out.tensors[3].name, "\xc3\xa9");
    assert_int_equal(gan_rank(out.tensors[3].tensor), 0);
    assert_int_equal(out.metadata_count, 2);
    assert_string_equal(out.metadata[0].key, "note");
    assert_string_equal(out.metadata[0].value, "tab\t\xe2\x82\xac");
    assert_string_equal(out.metadata[1].value, "12");

    assert_works(bytes = gan_safetensors_encode(ctx, 0, NULL, 0, NULL, &size));
    assert_works(out = gan_safetensors_decode(ctx, bytes, size, "x"));
    assert_int_equal(out.count + out.metadata_count, 0);
}

static void refuses_to_encode_bad_names(void **state)
{
    (void)state;
    size_t size;
    gan_tensor *t = gan_scalar(ctx, 1);
    assert_fails(GAN_ERROR_ARGUMENT, "two tensors", "'a'",
                 gan_safetensors_encode(ctx, 2, (gan_named[]){{"a", t}, {"a", t}}, 0, NULL, &size));
    assert_fails(GAN_ERROR_ARGUMENT, "cannot be named", "__metadata__",
                 gan_safetensors_encode(ctx, 1, (gan_named[]){{"__metadata__", t}}, 0, NULL, &size));
    assert_fails(GAN_ERROR_ARGUMENT, "twice", "'k'",
                 gan_safetensors_encode(ctx, 0, NULL, 2, (gan_pair[]){{"k", "1"}, {"k", "2"}}, &size));
    /* A stray byte, an overlong form, a surrogate, past the last code point, cut short. */
    const char *bad[] = {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\xe2\x82"};
    for (int i = 0; i < 5; i++) {
        assert_fails(GAN_ERROR_ARGUMENT, "tensor name", "not UTF-8",
                     gan_safetensors_encode(ctx, 1, (gan_named[]){{bad[i], t}}, 0, NULL, &size));
        assert_fails(GAN_ERROR_ARGUMENT, "metadata 'k'", "not UTF-8",
                     gan_safetensors_encode(ctx, 0, NULL, 1, (gan_pair[]){{"k", bad[i]}}, &size));
    }
}

/* Decodes a file of this header and `data` zero bytes. */
static gan_safetensors decode_text(const char *header, size_t data)
{
    static uint8_t bytes[4096];
    size_t length = strlen(header);
    memset(bytes, 0, sizeof bytes);
    bytes[0] = (uint8_t)length, bytes[1] = (uint8_t)(length >> 8);
    memcpy(bytes + 8, header, length);
    return gan_safetensors_decode(ctx, bytes, 8 + length + data, "d/x");
}

#define F32(shape, offsets) "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void refuses_bad_safetensors(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        const char *text1, *text2;
    } bad[] = {
        {"", 0, "d/x", "'{'"},
        {"[]", 0, "d/x", "'{'"},
        {"{", 0, "d/x", "JSON"},
        {"{} {}", 0, "d/x", "JSON"},
        {"{\"a\":" F32("[1]", "[0,4]") ",\"a\":" F32("[1]", "[0,4]") "}", 4, "d/x", "duplicate"},
        {"{\"a\":1}", 0, "'a'", "not described"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "'a'", "no dtype"},
        {"{\"a\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2, "'a'", "BF16"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "'a'", "no shape"},
        {"{\"a\":" F32("[-1]", "[0,4]") "}", 4, "'a'", "axis 0"},
        {"{\"a\":" F32("[1,1.5]", "[0,4]") "}", 4, "'a'", "axis 1"},
        {"{\"a\":" F32("[1,1,1,1,1,1,1]", "[0,4]") "}", 4, "'a'", "rank 7"},
        {"{\"a\":" F32("[4294967296,4294967296]", "[0,4]") "}", 4, "'a'", "overflows"},
        {"{\"a\":" F32("[99999999999999999999]", "[0,4]") "}", 4, "d/x", "JSON"},
        {"{\"a\":" F32("[1]", "[4,0]") "}", 4, "'a'", "in order"},
        {"{\"a\":" F32("[1]", "[-4,0]") "}", 4, "'a'", "in order"},
        {"{\"a\":" F32("[1]", "[0,4,8]") "}", 4, "'a'", "two whole numbers"},
        {"{\"a\":" F32("[1]", "4") "}", 4, "'a'", "two whole numbers"},
        {"{\"a\":" F32("[2]", "[0,4]") "}", 4, "needs 8 bytes", "span 4"},
        {"{\"a\":" F32("[2]", "[0,8]") "}", 4, "'a' ends at byte 8", "there are 4"},
        {"{\"a\":" F32("[1]", "[0,4]") ",\"b\":" F32("[2]", "[0,8]") "}", 8, "'b'", "overlapping"},
        {"{\"a\":" F32("[1]", "[4,8]") "}", 8, "'a'", "hole"},
        {"{\"a\":" F32("[1]", "[0,4]") "}", 8, "take 4 bytes", "there are 8"},
        {"{\"__metadata__\":[]}", 0, "d/x", "__metadata__"},
        {"{\"__metadata__\":{\"k\":1}}", 0, "'k'", "not a string"},
        {"{\"a\\u0000b\":" F32("[1]", "[0,4]") "}", 4, "d/x", "JSON"},
        {"{\"\xff\":" F32("[1]", "[0,4]") "}", 4, "d/x", "JSON"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_fails(GAN_ERROR_IO, bad[i].text1, bad[i].text2, decode_text(bad[i].header, bad[i].data));
        assert_non_null(strstr(message, "d/x"));
    }
    assert_works(decode_text("{\"a\":" F32("[1]", "[0,4]") "}    ", 4));

    uint8_t bytes[16] = {200};
    assert_fails(GAN_ERROR_IO, "d/x", "only 7 bytes", gan_safetensors_decode(ctx, bytes, 7, "d/x"));
    assert_fails(GAN_ERROR_IO, "d/x", "needs 200 bytes, there are 8", gan_safetensors_decode(ctx, bytes, 16, "d/x"));
    memset(bytes, 0xff, 8);
    assert_fails(GAN_ERROR_IO, "d/x", "header of 18446744073709551615 bytes",
                 gan_safetensors_decode(ctx, bytes, 16, "d/x"));
}

/* Changes a few bytes at a time, and cuts: each time a result or an IO error, and no memory behind. */
static void survives_mutations(void **state)
{
    (void)state;
    size_t sizes[2];
    uint8_t seeds[2][1024], bytes[1024];
    const uint8_t *sample;
    assert_works(sample = encode_sample(&sizes[0], false));
    memcpy(seeds[0], sample, sizes[0]);
    sizes[1] = make_idx(seeds[1], 8, 3, (uint32_t[]){4, 2, 3}, 24);
    gan_pool_release(ctx, 0);

    volatile int accepted = 0, refused = 0;
    volatile uint64_t random = 88172645463325252u;
    for (volatile int i = 0; i < 20000; i++) {
        int which = i % 2;
        size_t size = sizes[which];
        memcpy(bytes, seeds[which], size);
        uint64_t r = random;
        for (int change = 1 + i % 4; change > 0; change--) {
            r ^= r << 13, r ^= r >> 7, r ^= r << 17;
            static const char likely[] = "{}[]\",:0129-\\ \xff";
            bytes[r % size] = r >> 40 & 1 ? (uint8_t)likely[(r >> 20) % (sizeof likely - 1)] : (uint8_t)(r >> 32);
            if ((r >> 50) % 8 == 0)
                size = 1 + (size_t)(r >> 20) % size;
        }
        random = r;
        if (!setjmp(escape)) {
            if (which)
                gan_idx_parse(ctx, bytes, size, "x");
            else
                gan_safetensors_decode(ctx, bytes, size, "x");
            accepted = accepted + 1;
        } else {
            assert_int_equal(kind, GAN_ERROR_IO);
            refused = refused + 1;
        }
        gan_pool_release(ctx, 0);
        assert_int_equal(gan_memory(ctx).live, 0);
    }
    assert_true(accepted > 100 && refused > 1000);
}

/* ---- Pictures ---- */

static uint32_t big_endian(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void encodes_png(void **state)
{
    (void)state;
    /* One row, so that the filter of a row, which stb chooses, has nothing above it to refer to. */
    gan_real numbers[] = {-1, 1, 0, -5, 5, NAN};
    gan_tensor *t = gan_from(ctx, GAN_SHAPE(1, 2, 3), numbers), *grey = gan_zeros(ctx, GAN_SHAPE(28, 20, 1));
    size_t size, size2;
    const uint8_t *png, *again;
    assert_works(png = gan_png_encode(ctx, t, &size));
    assert_works(again = gan_png_encode(ctx, t, &size2));
    assert_int_equal(size, size2);
    assert_memory_equal(png, again, size);
    assert_memory_equal(png, "\x89PNG\r\n\x1a\n", 8);
    assert_int_equal(big_endian(png + 16), 2);
    assert_int_equal(big_endian(png + 20), 1);
    assert_int_equal(png[25], 2); /* colour type: RGB */

    uint8_t row[7];
    uLongf length = sizeof row;
    assert_memory_equal(png + 37, "IDAT", 4);
    assert_int_equal(uncompress(row, &length, png + 41, big_endian(png + 33)), Z_OK);
    assert_int_equal(length, 7);
    uint8_t wanted[6] = {0, 255, 128, 0, 255, 0}, left[3] = {0, 0, 0};
    for (int i = 0; i < 6; i++) {
        /* Filters 1 and 4 add the pixel to the left, 3 half of it, 0 and 2 nothing. */
        int added = row[0] == 1 || row[0] == 4 ? left[i % 3] : row[0] == 3 ? left[i % 3] / 2 : 0;
        uint8_t value = (uint8_t)(row[1 + i] + added);
        assert_int_equal(value, wanted[i]);
        left[i % 3] = value;
    }
    assert_works(png = gan_png_encode(ctx, grey, &size));
    assert_int_equal(png[25], 0); /* grey */

    gan_tensor *two = gan_zeros(ctx, GAN_SHAPE(4, 4, 2)), *none = gan_zeros(ctx, GAN_SHAPE(0, 4, 1));
    assert_fails(GAN_ERROR_ARGUMENT, "png_encode", "4x4x2", gan_png_encode(ctx, two, &size));
    assert_fails(GAN_ERROR_ARGUMENT, "png_encode", "0x4x1", gan_png_encode(ctx, none, &size));
}

static double sum_of(gan_tensor *t)
{
    double sum = 0;
    for (int64_t i = 0; i < gan_numel(t); i++)
        sum += (double)gan_data(t)[i];
    return sum;
}

static gan_real red_at(gan_tensor *t, int x, int y)
{
    return gan_data(t)[(y * gan_dim(t, 1) + x) * 3];
}

static void draws_where_it_is_told(void **state)
{
    (void)state;
    const double white[3] = {1, 1, 1};
    gan_tensor *t = gan_full(ctx, GAN_SHAPE(20, 30, 3), 0);
    assert_works(gan_draw_rect(t, 4, 5, 3, 2, white));
    assert_float_equal(sum_of(t), 3 * 6, 1e-4);
    assert_true(red_at(t, 4, 5) == 1 && red_at(t, 6, 6) == 1 && red_at(t, 3, 5) == 0 && red_at(t, 7, 5) == 0);
    assert_works(gan_fill_(t, 0));
    assert_works(gan_draw_rect(t, 4.25, 5, 1, 1, white));
    assert_float_equal(red_at(t, 4, 5), 0.75, 1e-6);
    assert_float_equal(red_at(t, 5, 5), 0.25, 1e-6);

    assert_works(gan_fill_(t, 0));
    assert_works(gan_draw_line(t, 3, 10, 12, 10, white, 1));
    assert_float_equal(sum_of(t), 3 * 10, 1e-4);
    assert_true(red_at(t, 3, 10) == 1 && red_at(t, 12, 10) == 1 && red_at(t, 13, 10) == 0 && red_at(t, 8, 9) == 0);
    /* From far outside and through the picture: as the part of it that is near. */
    assert_works(gan_fill_(t, 0));
    assert_works(gan_draw_line(t, 7, 10, 7, -1e30, white, 1));
    assert_float_equal(sum_of(t), 3 * 11, 1e-4);
    assert_works(gan_fill_(t, 0));
    assert_works(gan_draw_disc(t, 14, 9, 5, white));
    assert_float_equal(sum_of(t) / 3, 3.14159265 * 25, 2);
    assert_float_equal(red_at(t, 9, 9), 0.5, 1e-6);

    assert_works(gan_fill_(t, 0));
    double bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        assert_works(gan_draw_line(t, bad[i], 0, 9, 9, white, 1));
        assert_works(gan_draw_line(t, 0, 0, 9, 9, white, bad[i]));
        assert_works(gan_draw_rect(t, 0, bad[i], 9, 9, white));
        assert_works(gan_draw_disc(t, 5, bad[i], 9, white));
        assert_works(gan_draw_text(t, bad[i], 0, "A", white, 12));
        assert_works(gan_draw_text(t, 0, 0, "A", white, bad[i]));
    }
    assert_works(gan_draw_rect(t, -50, -50, 20, 20, white));
    assert_works(gan_draw_disc(t, 1e9, 1e9, 9, white));
    assert_works(gan_draw_text(t, 500, 500, "A", white, 12));
    assert_works(gan_draw_text(t, -500, 5, "A", white, 12));
    assert_true(sum_of(t) == 0);
}

static void draws_text(void **state)
{
    (void)state;
    const double white[3] = {1, 1, 1};
    char all[96] = "";
    for (int c = ' '; c <= '~'; c++)
        all[c - ' '] = (char)c;
    double width = gan_text_width(all, 12);
    gan_tensor *t = gan_full(ctx, GAN_SHAPE(30, (int64_t)width + 20, 3), 0);
    /* Each visible character draws something of its own. */
    double sums[95];
    for (int c = '!'; c <= '~'; c++) {
        char text[2] = {(char)c, 0};
        assert_works(gan_fill_(t, 0));
        assert_works(gan_draw_text(t, 4, 4, text, white, 12));
        sums[c - ' '] = sum_of(t);
        assert_true(sums[c - ' '] > 1);
    }
    assert_true(sums['l' - ' '] < sums['M' - ' ']);
    assert_true(gan_text_width("ii", 12) < gan_text_width("MM", 12));
    assert_true(gan_text_width("111", 12) == gan_text_width("888", 12));
    assert_true(gan_text_width("", 12) == 0);
    assert_true(gan_text_width("\xc3\xa9", 12) == gan_text_width("\x7f", 12));

    /* Nothing to the right of the width, and nothing to speak of above or below the height. */
    assert_works(gan_fill_(t, 0));
    assert_works(gan_draw_text(t, 4, 8, "Hxg0", white, 12));
    double inside = 0, wide = gan_text_width("Hxg0", 12);
    for (int y = 8; y < 20; y++)
        for (int x = 4; x < 4 + (int)ceil(wide); x++)
            inside += red_at(t, x, y);
    assert_true(inside > 0.95 * sum_of(t) / 3);
    for (int y = 0; y < 30; y++)
        for (int64_t x = 5 + (int64_t)ceil(wide); x < gan_dim(t, 1); x++)
            assert_true(red_at(t, (int)x, y) == 0);
}

static void refuses_to_draw_on_what_is_no_picture(void **state)
{
    (void)state;
    const double white[3] = {1, 1, 1}, bad[3] = {0, 2, 0}, nan[3] = {0, 0, NAN};
    gan_tensor *grey = gan_zeros(ctx, GAN_SHAPE(8, 8, 1)), *t = gan_zeros(ctx, GAN_SHAPE(8, 8, 3));
    assert_fails(GAN_ERROR_ARGUMENT, "draw_line", "8x8x1", gan_draw_line(grey, 0, 0, 1, 1, white, 1));
    assert_fails(GAN_ERROR_ARGUMENT, "draw_rect", "8x8x1", gan_draw_rect(grey, 0, 0, 1, 1, white));
    assert_fails(GAN_ERROR_ARGUMENT, "draw_disc", "8x8x1", gan_draw_disc(grey, 0, 0, 1, white));
    assert_fails(GAN_ERROR_ARGUMENT, "draw_text", "8x8x1", gan_draw_text(grey, 0, 0, "x", white, 9));
    assert_fails(GAN_ERROR_ARGUMENT, "draw_rect", "{0, 2, 0}", gan_draw_rect(t, 0, 0, 1, 1, bad));
    assert_fails(GAN_ERROR_ARGUMENT, "draw_rect", "nan", gan_draw_rect(t, 0, 0, 1, 1, nan));
    gan_tensor *computed = gan_affine(t, 2, 1);
    assert_fails(GAN_ERROR_ARGUMENT, "", "", gan_draw_rect(computed, 0, 0, 1, 1, white));
}

/* ---- glyphs ---- */

static void draws_glyphs(void **state)
{
    (void)state;
    const int n = 720;
    gan_tensor *all, *labels, *some, *other, *back = gan_from(ctx, GAN_SHAPE(2), (gan_real[]){700, 3});
    assert_int_equal(strlen(gan_glyph_names), GAN_GLYPH_CLASSES);
    assert_works(all = gan_glyphs(ctx, gan_arange(ctx, 0, n, 1), 5, &labels));
    assert_true(gan_same_shape(gan_shape_of(all), GAN_SHAPE(n, 28, 28, 1)));
    const size_t each = 28 * 28;
    const gan_real *pixels = gan_data(all);
    for (int i = 0; i < n; i++) {
        assert_true(gan_data(labels)[i] == i % GAN_GLYPH_CLASSES);
        double ink = 0, rim = 0;
        for (int k = 0; k < 28 * 28; k++) {
            gan_real value = pixels[(size_t)i * each + (size_t)k];
            assert_true(value >= -1 && value <= 1);
            ink += (value + 1) / 2;
            if (k < 28 || k >= 27 * 28 || k % 28 == 0 || k % 28 == 27)
                rim += (value + 1) / 2;
        }
        assert_true(ink > 15 && ink < 350 && rim == 0);
    }
    /* A picture does not depend on its company, but on the seed; and no two of a class are the same. */
    assert_works(some = gan_glyphs(ctx, back, 5, NULL));
    assert_memory_equal(gan_data(some), pixels + 700 * each, each * sizeof(gan_real));
    assert_memory_equal(gan_data(some) + each, pixels + 3 * each, each * sizeof(gan_real));
    assert_works(other = gan_glyphs(ctx, back, 6, NULL));
    assert_memory_not_equal(gan_data(other), gan_data(some), each * sizeof(gan_real));
    for (int i = GAN_GLYPH_CLASSES; i < n; i++)
        assert_memory_not_equal(pixels + (size_t)i * each, pixels + (size_t)(i % GAN_GLYPH_CLASSES) * each,
                                each * sizeof(gan_real));

    gan_tensor *half = gan_full(ctx, GAN_SHAPE(1), 0.5), *square = gan_zeros(ctx, GAN_SHAPE(2, 2));
    assert_fails(GAN_ERROR_ARGUMENT, "glyphs", "0.5", gan_glyphs(ctx, half, 1, NULL));
    assert_fails(GAN_ERROR_ARGUMENT, "glyphs", "2x2", gan_glyphs(ctx, square, 1, NULL));
}

/* ---- Memory ---- */

static void use_everything(void)
{
    const double white[3] = {1, 1, 1};
    size_t size;
    uint8_t bytes[64];
    const uint8_t *encoded = encode_sample(&size, false);
    gan_safetensors_decode(ctx, encoded, size, "x");
    gan_file_write(ctx, in_folder("a"), encoded, size);
    gan_file_read(ctx, path, gan_scratch(ctx, size), gan_file_measure(ctx, path));
    gan_tensor *which = gan_zeros(ctx, GAN_SHAPE(1)), *t = gan_zeros(ctx, GAN_SHAPE(8, 8, 3)), *labels;
    size = make_idx(bytes, 8, 3, (uint32_t[]){1, 2, 2}, 4);
    gan_pictures(ctx, bytes, size, 16, GAN_SHAPE(2, 2, 1), which, 1, 0);
    gan_labels(ctx, bytes, size, 16, which);
    gan_glyphs(ctx, which, 1, &labels);
    gan_draw_text(t, 0, 0, "x", white, 8);
    gan_png_encode(ctx, t, &size);
}

static void leaks_nothing_when_any_allocation_fails(void **state)
{
    (void)state;
    volatile bool done = false;
    volatile int countdown;
    for (countdown = 1; !done && countdown < 1000; countdown++) {
        gan_fail_allocations(ctx, countdown);
        if (!setjmp(escape)) {
            use_everything();
            done = true;
        } else {
            assert_int_equal(kind, GAN_ERROR_MEMORY);
        }
        gan_fail_allocations(ctx, 0);
        gan_pool_release(ctx, 0);
        assert_int_equal(gan_memory(ctx).live, 0);
        assert_int_equal(gan_memory(ctx).tensors, 0);
    }
    assert_true(done && countdown > 20);
    assert_int_equal(count_files(false), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_what_it_wrote),
        TEST(inflates_gzip),
        TEST(refuses_damaged_gzip),
        TEST(refuses_what_is_no_file),
        TEST(keeps_the_old_file_when_writing_fails),
        TEST(reads_idx),
        TEST(refuses_bad_idx),
        TEST(refuses_bad_indices),
        TEST(decodes_what_it_encoded),
        TEST(refuses_to_encode_bad_names),
        TEST(refuses_bad_safetensors),
        TEST(survives_mutations),
        TEST(encodes_png),
        TEST(draws_where_it_is_told),
        TEST(draws_text),
        TEST(refuses_to_draw_on_what_is_no_picture),
        TEST(draws_glyphs),
        TEST(leaks_nothing_when_any_allocation_fails),
    };
    return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
