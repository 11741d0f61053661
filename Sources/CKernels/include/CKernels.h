#pragma once

<<<<<<< HEAD
#include "trees.h"
=======
#include "ns_csv.h"
#include "ns_numbers.h"
#include "ns_text.h"
>>>>>>> tables
