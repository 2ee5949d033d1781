// Takes secrets out of text that others wrote, before it is kept, logged or shown.
//
// Providers echo keys in their error messages, so every such message passes through here. What is
// taken away is the secret part: "sk-proj-…[redacted]" keeps the prefix that says which key it was.
// Errs on the side of taking too much. Time is linear in the text, whatever the text.
// Pure functions: any thread, no lock; throw nothing but std::bad_alloc.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace keypool::core {

// Removes what looks like any provider's API key: a known prefix with a key behind it, or a run of
// 32 and more letters and digits (keys without prefix: Mistral, Cohere, Azure, Together). With
// `known_secret` also that very text, plain, percent-encoded, and in base64 at any alignment
// (base64 only for secrets of 8 bytes and more). Control characters become spaces, bytes that are
// not UTF-8 become U+FFFD: the result is always valid UTF-8 on one line.
std::string scrub(std::string_view text, std::string_view known_secret = {});

// The beginning of a text of which not more than `most` bytes will be kept, to scrub no more than
// that: somebody else decides how long it is. What a cut in the middle of a word leaves is dropped:
// half a key is not recognised as one.
std::string_view beginning(std::string_view text, std::size_t most) noexcept;

// Shortens valid UTF-8 to at most max_bytes without cutting a character in two.
void cut_utf8(std::string& text, std::size_t max_bytes);

}  // namespace keypool::core
