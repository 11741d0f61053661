#pragma once

// Nothing of Arrow C++ can be imported by Swift: this module only brings its flags to CColumnar.
