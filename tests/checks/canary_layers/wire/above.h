#include "base/below.h"
