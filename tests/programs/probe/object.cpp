// A static object: its value is there only if its constructor ran in this process.

#include <string>

static std::string made("made by the constructor of a static object, not by the compiler");

extern "C" unsigned FUNCTION() { return made.size(); }
