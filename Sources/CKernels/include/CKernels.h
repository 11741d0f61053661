#pragma once

#include "trees.h"
