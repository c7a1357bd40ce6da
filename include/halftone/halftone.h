#pragma once

// Everything that the library offers.

#include "halftone/custom_operator.h"
#include "halftone/detector.h"
#include "halftone/error.h"
#include "halftone/language_model.h"
#include "halftone/model.h"
#include "halftone/tensor.h"
