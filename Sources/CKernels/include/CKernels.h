#pragma once

#include "ns_csv.h"
#include "ns_features.h"
#include "ns_isa.h"
#include "ns_numbers.h"
#include "ns_text.h"
#include "trees.h"
