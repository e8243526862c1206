/* A context that is confined to a folder: what leads out of it is refused, also while others move links about. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"
#include "io/io.h"

static gan_context *ctx;
static jmp_buf escape;
static char message[2048];

static void on_fail(void *user, gan_error kind, const char *text)
{
    (void)user, (void)kind;
    snprintf(message, sizeof message, "%s", text);
    longjmp(escape, 1);
}

#define assert_fails(text, statement)                                                                                  \
    do {                                                                                                               \
        if (!setjmp(escape)) {                                                                                         \
            statement;                                                                                                 \
            fail_msg("did not fail: %s", #statement);                                                                  \
        }                                                                                                              \
        if (!strstr(message, text))                                                                                    \
            fail_msg("wanted '%s', got: %s", text, message);                                                           \
    } while (0)

/* The folder has "in", the context's, and "out", which is none of its business. */
static int set_up(void **state)
{
    (void)state;
    if (!make_home() || mkdir(at("in"), 0777) || mkdir(at("in/sub"), 0777) || mkdir(at("out"), 0777))
        return -1;
    put("in/file", "inside");
    put("in/sub/file", "inside");
    put("out/file", "secret");
    ctx = gan_open(&(gan_config){.threads = 1, .seed = 1, .on_fail = on_fail});
    return ctx && gan_confine(ctx, at("in")) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    gan_pool_release(ctx, 0);
    gan_close(ctx);
    return remove_home();
}

static const char BELOW[] = "only paths below its folder", LINKS[] = "no symbolic links";

static void reads_and_writes_below_its_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"file", "sub/file", "./sub//file", "new", "sub/new"};
    if (setjmp(escape))
        fail_msg("%s", message);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        gan_file_write(ctx, names[i], "again", 5);
        gan_file_append(ctx, names[i], 5, "!", 1, true);
        assert_int_equal(gan_file_measure(ctx, names[i]), 6);
    }
    struct stat info;
    assert_int_equal(gan_path_make_folder(ctx, "sub/deeper/"), 0);
    assert_int_equal(gan_path_stat(ctx, "sub/deeper", &info), 0);
    assert_int_equal(gan_path_rename(ctx, "new", "sub/deeper/old"), 0);
    assert_int_equal(access(at("in/sub/deeper/old"), F_OK), 0);
    assert_int_equal(gan_path_remove(ctx, "sub/deeper/old"), 0);
    assert_int_equal(access(at("in/sub/deeper/old"), F_OK), -1);
}

/* Tries all that a path can be used for. */
static void assert_refused(const char *path, const char *why)
{
    char buffer[8];
    int64_t size;
    struct stat info;
    assert_fails(why, gan_file_measure(ctx, path));
    assert_fails(why, gan_file_append(ctx, path, 0, "x", 1, false));
    assert_non_null(strstr(gan_file_size(ctx, path, &size), why));
    assert_non_null(strstr(gan_file_slice(ctx, path, 0, buffer, 1), why));
    assert_int_equal(gan_path_stat(ctx, path, &info), -1);
    assert_string_equal(gan_file_reason(ctx, errno), gan_file_size(ctx, path, &size));
    assert_int_equal(gan_path_rename(ctx, path, "moved"), why == LINKS && !strchr(path, '/') ? 0 : -1);
}

static void refuses_what_leads_out(void **state)
{
    (void)state;
    static const char *const names[] = {"..",          "../out/file",        "sub/../../out/file", "sub/..",
                                        "/etc/passwd", "/proc/self/environ", "sub/../file"};
    for (volatile size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_refused(names[i], BELOW);
        assert_fails(BELOW, gan_file_write(ctx, names[i], "x", 1));
        assert_int_equal(gan_path_make_folder(ctx, names[i]), -1);
        assert_int_equal(gan_path_remove(ctx, names[i]), -1);
        assert_int_equal(gan_path_rename(ctx, "file", names[i]), -1);
    }
    assert_refused(at("in/file"), BELOW);
    assert_int_equal(access(at("in/file"), F_OK), 0);
}

static void follows_no_links(void **state)
{
    (void)state;
    assert_int_equal(symlink("../out", at("in/away")), 0);
    assert_int_equal(symlink("sub", at("in/near")), 0);
    assert_int_equal(symlink("../out/file", at("in/link")), 0);
    assert_int_equal(symlink("../out/new", at("in/dangling")), 0);
    assert_refused("away/file", LINKS);
    assert_refused("near/file", LINKS);
    assert_fails(LINKS, gan_file_write(ctx, "away/new", "x", 1));
    assert_fails(LINKS, gan_file_append(ctx, "dangling", 0, "x", 1, false));
    assert_int_equal(access(at("out/new"), F_OK), -1);
    if (!setjmp(escape))
        gan_file_write(ctx, "link", "mine", 4); /* the link itself is replaced */
    struct stat info;
    assert_int_equal(lstat(at("in/link"), &info), 0);
    assert_true(S_ISREG(info.st_mode));
    assert_int_equal(stat(at("out/file"), &info), 0);
    assert_int_equal(info.st_size, 6);
    assert_int_equal(symlink("../out/file", at("in/link2")), 0);
    assert_refused("link2", LINKS);
}

static void opens_no_pipes_and_no_devices(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(at("in/pipe"), 0666), 0);
    assert_int_equal(gan_path_open(ctx, "pipe", O_RDONLY, 0), -1);
    assert_int_equal(gan_path_open(ctx, "pipe", O_RDWR, 0), -1);
    assert_fails("cannot write", gan_file_append(ctx, "pipe", 0, "x", 1, false));
}

static void has_no_files_at_all_where_it_has_no_folder(void **state)
{
    (void)state;
    assert_true(gan_confine(ctx, NULL));
    assert_refused("file", "allows no files");
    assert_fails("allows no files", gan_file_write(ctx, "file", "x", 1));
}

static atomic_bool enough;

/* Makes "in/door" a folder and a link to the outside by turns. */
static void *swap(void *argument)
{
    char door[512], folder[512], link[512];
    (void)argument;
    snprintf(door, sizeof door, "%s/in/door", home);
    snprintf(folder, sizeof folder, "%s/in/sub", home);
    snprintf(link, sizeof link, "%s/in/link", home);
    while (!enough) {
        rename(folder, door), rename(door, folder);
        rename(link, door), rename(door, link);
    }
    return NULL;
}

static void is_not_outrun_by_whoever_swaps_a_folder_for_a_link(void **state)
{
    (void)state;
    pthread_t thread;
    int opened = 0, refused = 0;
    assert_int_equal(symlink("../out", at("in/link")), 0);
    enough = false;
    assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
    for (int i = 0; i < 100000 && (i < 2000 || !opened || !refused); i++) {
        char text[8] = "";
        int fd = gan_path_open(ctx, "door/file", O_RDONLY, 0);
        if (fd < 0) {
            refused++;
            continue;
        }
        opened++;
        assert_int_equal(read(fd, text, 6), 6);
        close(fd);
        assert_string_equal(text, "inside");
    }
    enough = true;
    pthread_join(thread, NULL);
    assert_true(refused > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_and_writes_below_its_folder),
        TEST(refuses_what_leads_out),
        TEST(follows_no_links),
        TEST(opens_no_pipes_and_no_devices),
        TEST(has_no_files_at_all_where_it_has_no_folder),
        TEST(is_not_outrun_by_whoever_swaps_a_folder_for_a_link),
    };
    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
