// Whether a secret can be a key of a provider at all: offline, by its looks.
//
// The checks that hold for every key (core/secret_checks.hpp) always apply; the provider's own
// pattern is matched with Postgres's regular expressions, and applies to what is stored as long as
// keypool.validate_format is on. No message holds a byte of the secret.
#pragma once

#include <string_view>
#include <vector>

#include "api/provider_names.hpp"
#include "core/secret_checks.hpp"

namespace keypool::api {

// The general checks; when they pass, also "provider_format" and, where the provider has one,
// "other_provider", which fails when the key fits others and not this one.
std::vector<core::SecretCheck> check_format(const ProviderNames& providers,
                                            const ProviderFormat& provider,
                                            std::string_view secret);

// Throws kInvalidKeyFormat, saying what was expected.
void require_format(const ProviderNames& providers, const ProviderFormat& provider,
                    std::string_view secret);

}  // namespace keypool::api
