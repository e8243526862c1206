/* export_main.c - a program without ganlua that draws with a generator: see export_c.lua. Writes 8 x 8 pictures as one
 * PGM to its standard output; the argument is the seed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "glyphs.h"

enum { ACROSS = 8, DOWN = 8, WIDTH = ACROSS * GLYPHS_WIDTH, HEIGHT = DOWN * GLYPHS_HEIGHT };

static double uniform(void)
{
    return ((double)rand() + 1) / ((double)RAND_MAX + 2);
}

/* A number of a standard normal distribution. */
static float normal(void)
{
    return (float)(sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform()));
}

int main(int argc, char **argv)
{
    static unsigned char pixels[HEIGHT][WIDTH];
    float z[GLYPHS_INPUT], image[GLYPHS_OUTPUT];
    clock_t began = clock();
    srand(argc > 1 ? (unsigned)atoi(argv[1]) : 1);
    for (int k = 0; k < ACROSS * DOWN; k++) {
        for (int i = 0; i < GLYPHS_INPUT; i++)
            z[i] = normal();
        glyphs_generate(z, image);
        for (int y = 0; y < GLYPHS_HEIGHT; y++)
            for (int x = 0; x < GLYPHS_WIDTH; x++)
                pixels[k / ACROSS * GLYPHS_HEIGHT + y][k % ACROSS * GLYPHS_WIDTH + x] =
                    (unsigned char)lrintf((image[y * GLYPHS_WIDTH + x] + 1) * 127.5f);
    }
    double ms = 1e3 * (double)(clock() - began) / CLOCKS_PER_SEC;
    printf("P5\n%d %d\n255\n", WIDTH, HEIGHT);
    fwrite(pixels, 1, sizeof pixels, stdout);
    fprintf(stderr, "%.2f ms a picture\n", ms / (ACROSS * DOWN));
    return 0;
}
