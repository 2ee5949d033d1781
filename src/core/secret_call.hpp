// Where SQL text hands a secret over: in calls of the functions that take one, in EXECUTE of a
// prepared statement that does, and in statements that write keypool.alert_webhooks.
//
// Finds them anywhere in a text, so that what surrounds a call does not matter: a DO block, a
// function's body, a plan, an error's context, half a statement. Where the quoting makes no sense
// the rest of the statement counts as secret.
// Pure functions: any thread, no lock; throw nothing but std::bad_alloc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace keypool::core {

enum class SecretForm : std::uint8_t {
  kText,      // all of it is secret
  kDocument,  // JSON: the strings that are values
  kRequests,  // JSON: the values of members called api_key and the like
};

// An argument, or a parameter $n, that holds a secret. Counted from 1.
struct SecretPlace {
  int number;
  SecretForm form;
  std::string_view name = {};  // of the argument, in the named notation
};

// A prepared statement whose parameters hold secrets.
struct PreparedCall {
  std::string name;
  std::vector<SecretPlace> places;
};

enum class HiddenKind : std::uint8_t {
  kLiteral,  // inside quotes: what stands there instead may be anything
  kBare,     // letters and digits, maybe outside quotes
  kTorn,     // anything, quotes included
};

// Bytes [begin, end) of a text that are secret.
struct Hidden {
  std::size_t begin;
  std::size_t end;
  HiddenKind kind;
};

struct SecretCalls {
  std::vector<Hidden> hidden;           // in no order; may overlap
  std::vector<SecretPlace> parameters;  // $n that are handed over as secrets
  bool any = false;                     // there is such a call
  bool plain = true;                    // each secret is written out or a parameter
  std::size_t effort = 0;               // bytes read in lists of arguments
  bool exhausted = false;               // that was too much: the rest is hidden
};

struct SqlReading {
  bool backslash_escapes = false;  // in plain literals: standard_conforming_strings is off
  std::span<const PreparedCall> prepared = {};
};

// Quick to say no: may the name of such a call have its first '_' there?
bool may_mark_call(std::string_view text, std::size_t mark) noexcept;

// Adds what the text's calls tell.
void find_secret_calls(std::string_view text, const SqlReading& reading, SecretCalls& found);

// Hides what is secret of the text's bytes [begin, end), which are a literal's.
void hide_literal(std::string_view text, std::size_t begin, std::size_t end, SecretForm form,
                  std::vector<Hidden>& hidden);

}  // namespace keypool::core
