/* Runs scripts of people that the program does not trust, one after the other, each in a ganlua of its own:
 * cc sandbox.c $(pkg-config --cflags --libs ganlua) -o sandbox && ./sandbox FOLDER script.lua ...
 * Prints what became of each: "script.lua: done", or the error that ended it, such as "the time limit of 1 s is reached".
 * What scripts save lies in FOLDER, and nothing else is touched. */
#include <ganlua.h>
#include <stdio.h>
#include <string.h>

static void run(const char *folder, const char *script)
{
    ganlua_config config = GANLUA_CONFIG_INIT;
    config.sandbox = 1;
    config.folder = folder;
    config.memory_limit = 64u << 20;
    config.instruction_limit = 500000000;
    config.time_limit = 1;
    ganlua *gl = ganlua_open(&config);
    if (!gl) {
        perror(folder);
        return;
    }
    int status = ganlua_run_file(gl, script, 0, NULL);
    const char *told = status == GANLUA_OK ? "done" : ganlua_error(gl);
    printf("%s: %.*s\n", script, (int)strcspn(told, "\n"), told); /* below the first line is a traceback */
    ganlua_close(gl);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s FOLDER script.lua ...\n", argv[0]);
        return 1;
    }
    for (int i = 2; i < argc; i++)
        run(argv[1], argv[i]);
    return 0;
}
