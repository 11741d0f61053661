#pragma once

#include "ns_activations.h"
#include "ns_csv.h"
#include "ns_dense.h"
#include "ns_isa.h"
#include "ns_numbers.h"
#include "ns_text.h"
#include "trees.h"
