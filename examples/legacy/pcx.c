/* Reads PCX pictures of 256 colours, in the manner of its time: it believes whatever the file says.
 * pcx_open() first, then pcx_decode(), then the rest. */

#include <stdlib.h>
#include <string.h>

#define HEADER 128
#define PALETTE 769 /* a 12 and 256 colours, at the end of the file */

static const unsigned char *in, *end, *colours;
static unsigned char *pixels;
static unsigned width, height, line;

static unsigned word(const unsigned char *at) { return at[0] | at[1] << 8; }

int pcx_open(const unsigned char *data, size_t length)
{
    if (length < HEADER || data[0] != 10 || data[3] != 8)
        return 0;
    width = word(data + 8) - word(data + 4) + 1;
    height = word(data + 10) - word(data + 6) + 1;
    line = word(data + 66);
    in = data + HEADER;
    end = data + length;
    colours = NULL;
    if (length >= HEADER + PALETTE && end[-PALETTE] == 12) {
        end -= PALETTE;
        colours = end + 1;
    }
    return 1;
}

/* The next byte; at the end of the data, its last one for ever. */
static unsigned char next(void)
{
    static unsigned char byte;
    if (in < end)
        byte = *in++;
    return byte;
}

void pcx_decode(void)
{
    size_t size = (size_t)width * height * 3;
    unsigned x, y, run;

    free(pixels);
    pixels = malloc(size);
    memset(pixels, 255, size);
    for (y = 0; y < height; y++)
        for (x = 0; x < line;) {
            unsigned char colour = next();
            run = 1;
            if (colour >= 0xc0) {
                run = colour & 0x3f;
                colour = next();
            }
            for (; run; run--, x++)
                if (x < width)
                    memcpy(pixels + 3 * ((size_t)y * width + x), colours + 3 * colour, 3);
        }
}

unsigned pcx_width(void) { return width; }

unsigned pcx_height(void) { return height; }

const unsigned char *pcx_pixels(void) { return pixels; }
