// The table of verbs.
#include <stdio.h>

int main(void) {
  puts("facemask");
  return 0;
}
