#include "wire/above.h"
