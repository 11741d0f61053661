#pragma once

#include <protobuf-c/protobuf-c.h>

// Older ones overflow while they parse (CVE-2022-48468).
_Static_assert(PROTOBUF_C_VERSION_NUMBER >= 1004001, "protobuf-c 1.4.1 or later is needed");

#include "client.pb-c.h"
#include "common.pb-c.h"
#include "fleet.pb-c.h"
