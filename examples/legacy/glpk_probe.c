/* Asks whether GLPK is there: its header comes with the library. */
#include <glpk.h>
