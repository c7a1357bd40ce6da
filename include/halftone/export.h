#pragma once

/// Marks what the library shows.
#define HALFTONE_API __attribute__((visibility("default")))
