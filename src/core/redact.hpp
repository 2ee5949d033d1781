// Takes keys out of what the server logs and shows: statements, plans, errors, lists of parameters.
//
// A key is known by what it was given to (secret_call.hpp) or by its provider's format
// (key_shape.hpp). All else stays byte for byte as it is: other than scrub(), which errs on the
// side of taking too much, this runs over every line of the log. Runs of letters and digits without
// a known prefix, as md5 sums and identifiers are, count as keys only where a secret belongs. Pure:
// any thread, no lock; throws nothing but std::bad_alloc. A text that shows no secret costs little
// more than a few memchr() over it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/secret_call.hpp"
#include "core/secret_fragments.hpp"

namespace keypool::core {

// Quick to say no, for the texts that are ordinary: nearly all.
bool may_hold_secret(std::string_view text, const SqlReading& reading) noexcept;

// What is secret in a text by itself. `calls`: what its calls told, for who wants to know.
std::vector<Hidden> find_secrets(std::string_view text, const SqlReading& reading,
                                 SecretCalls* calls = nullptr);

// Overwrites it (and sorts `hidden`), keeping the length, the places of all else, and the text as
// good SQL as it was. False: nothing has changed, as in a text masked before.
bool mask_secrets(char* text, std::vector<Hidden>& hidden) noexcept;

// The text with "[redacted]" in the place of what is hidden, `ellipsis` before it where a part of
// the key is shown.
std::string without_secrets(std::string_view text, std::vector<Hidden> hidden,
                            std::string_view ellipsis);

// Texts that belong together, as message, detail and context of one error do: what one of them
// tells is hidden in the others.
class RedactedEntry {
 public:
  explicit RedactedEntry(const SqlReading& reading) noexcept : reading_(reading) {}

  // First all texts that may tell something of others, then hide() each. What is learned of an
  // error's texts are also the secrets themselves: an error may quote a piece of one anywhere.
  void learn(std::string_view text, bool error);

  // A parameter that holds a document of secrets: an error about it may quote any part of it.
  bool has_document_parameter() const noexcept;

  // Nothing when the text may stay as it is.
  std::optional<std::string> hide(std::string_view text, std::string_view ellipsis);

 private:
  SqlReading reading_;
  std::vector<SecretPlace> parameters_;
  SecretFragments fragments_;
};

}  // namespace keypool::core
