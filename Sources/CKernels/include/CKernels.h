#pragma once

#include "ns_csv.h"
#include "ns_forest_leaves.h"
#include "ns_forest_ranks.h"
#include "ns_forest_nodes.h"
#include "ns_isa.h"
#include "ns_numbers.h"
#include "ns_oblivious.h"
#include "ns_shap.h"
#include "ns_text.h"
#include "trees.h"
