// A program that loads a plugin and calls it; it counts its own starts by printing.

#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
    printf("host with %d argument\n", argc - 1);
    fflush(stdout);
    void *plugin = dlopen(argv[1], RTLD_NOW);
    if (!plugin) {
        printf("%s\n", dlerror());
        return 1;
    }
    void (*run)(void) = (void (*)(void))dlsym(plugin, "plugin_run");
    run();
    return 0;
}
