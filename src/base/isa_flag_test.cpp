#include "base/isa_flag.h"

#include <gtest/gtest.h>

#include "base/cpu.h"
#include "base/error.h"

namespace halftone {
namespace {

TEST(IsaFlag, RefusesWhatTheProcessorLacks) {
  EXPECT_THROW(limit_isa_to("avx3"), UsageError);
#if defined(__x86_64__)
  const char* foreign = "neon";
#else
  const char* foreign = "avx2";
#endif
  try {
    limit_isa_to(foreign);
    FAIL();
  } catch (const UnsupportedError& error) {
    const std::string text = error.what();
    EXPECT_TRUE(
        text.starts_with(std::string("--isa ") + foreign + ": this processor does not have it; it has "))
        << text;
    for (Isa isa : cpu_isas()) EXPECT_NE(text.find(isa_name(isa)), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace halftone
