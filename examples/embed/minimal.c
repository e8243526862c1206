/* The shortest program that runs ganlua: cc minimal.c $(pkg-config --cflags --libs ganlua) -o minimal
 * Prints "3.0". */
#include <ganlua.h>
#include <stdio.h>

int main(void)
{
    ganlua *gl = ganlua_open(NULL);
    if (!gl)
        return 1;
    int status = ganlua_run_string(gl, "local gan = require 'ganlua' print(gan.ones(3):sum():item())");
    if (status != GANLUA_OK)
        fprintf(stderr, "%s\n", ganlua_error(gl));
    ganlua_close(gl);
    return status;
}
