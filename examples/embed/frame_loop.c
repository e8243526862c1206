/* A program with a loop of its own trains a GAN between its frames, one move each, and shows in the terminal the points
 * that the generator makes of noise: they wander onto a ring.
 *
 *     cc frame_loop.c $(pkg-config --cflags --libs ganlua) -o frame_loop
 *     ./frame_loop [ITERATIONS]
 *
 * Every hundredth frame is drawn; what ganlua itself says is not wanted here, so no log callback is set. */
#include <ganlua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 300, ROWS = 21, COLUMNS = 45 };

static const char script[] =
    "local gan = require 'ganlua' local nn = gan.nn\n"
    "local function network(out) return nn.sequential { nn.linear { out = 64 }, nn.relu {}, nn.linear { out = 64 },\n"
    "  nn.relu {}, nn.linear { out = out } } end\n"
    "gan.train { out = false, data = gan.data.ring {}, latent = 4, loss = gan.loss.hinge {},\n"
    "  generator = network(2), discriminator = network(1), penalties = { gan.penalty.r1 { weight = 0.1 } },\n"
    "  schedule = gan.schedule.alternate { iterations = gan.setting('iterations', 3000) } }\n";

/* Points of the square from -1.5 to 1.5 as dots. */
static void draw(const float *points)
{
    char screen[ROWS][COLUMNS + 1];
    memset(screen, ' ', sizeof screen);
    for (int i = 0; i < POINTS; i++) {
        float x = (points[2 * i] + 1.5f) / 3 * COLUMNS, y = (1.5f - points[2 * i + 1]) / 3 * ROWS;
        if (x >= 0 && x < COLUMNS && y >= 0 && y < ROWS)
            screen[(int)y][(int)x] = '*';
    }
    for (int row = 0; row < ROWS; row++)
        printf("%.*s\n", COLUMNS, screen[row]);
}

static void remember(void *user, const ganlua_progress *progress)
{
    *(ganlua_progress *)user = *progress;
}

int main(int argc, char **argv)
{
    char iterations[64];
    snprintf(iterations, sizeof iterations, "iterations=%s", argc > 1 ? argv[1] : "3000");
    const char *settings[] = {iterations, NULL};
    ganlua_config config = GANLUA_CONFIG_INIT;
    config.settings = settings;
    ganlua *gl = ganlua_open(&config);
    if (!gl)
        return 1;
    ganlua_progress progress = {0};
    ganlua_on_progress(gl, remember, &progress);

    float points[2 * POINTS];
    int status = ganlua_start_string(gl, script);
    for (long frame = 1; status == GANLUA_OK || status == GANLUA_MORE; frame++) {
        status = ganlua_step(gl); /* a real program draws its own things, too */
        if ((frame % 100 == 0 && status == GANLUA_MORE) || status == GANLUA_OK) {
            int drawn = ganlua_sample(gl, NULL, NULL, POINTS, points, 2 * POINTS);
            if (drawn != GANLUA_OK) {
                status = drawn;
                break;
            }
            draw(points);
            printf("iteration %ld  d %.3f  g %.3f\n", (long)progress.iteration, progress.d_loss, progress.g_loss);
        }
        if (status == GANLUA_OK)
            break;
    }
    if (status != GANLUA_OK)
        fprintf(stderr, "%s\n", ganlua_error(gl));
    ganlua_close(gl);
    return status;
}
