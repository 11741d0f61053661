#pragma once

// Parquet, ORC and Arrow IPC through Arrow C++, without any of its types.

#include "columnar_arrays.h"
#include "columnar_error.h"
#include "columnar_file.h"
#include "columnar_read.h"
