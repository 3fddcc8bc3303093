/* Counts the words of a text, in the manner of its time: all memory is static, and the answer of
 * the last tally() is asked for by further calls. One caller at a time! */

#include <ctype.h>
#include <string.h>

#define WORD 16    /* bytes kept of a word, with the 0 at its end */
#define TABLE 1024 /* words kept, a power of two */

static char table[TABLE][WORD];
static char word[WORD];
static unsigned words, distinct;

static void enter(void)
{
    unsigned hash = 5381, probe;
    const char *c;

    for (c = word; c < word + WORD && *c; c++)
        hash = hash * 33 + (unsigned char)*c;
    for (probe = 0; probe < TABLE; probe++) {
        char *slot = table[(hash + probe) % TABLE];
        if (!*slot) {
            memcpy(slot, word, WORD);
            distinct++;
            return;
        }
        if (!memcmp(slot, word, WORD))
            return;
    }
}

void tally(const char *text)
{
    memset(table, 0, sizeof table);
    words = distinct = 0;
    while (*text) {
        unsigned length = 0;
        memset(word, 0, WORD);
        for (; isalpha((unsigned char)*text); text++)
            if (length < WORD - 1)
                word[length++] = (char)tolower((unsigned char)*text);
        if (length) {
            words++;
            enter();
        } else {
            text++;
        }
    }
}

unsigned tally_words(void) { return words; }

unsigned tally_distinct(void) { return distinct; }
