#include "core/keyring.hpp"

#include <string>

#include <gtest/gtest.h>

#include "core/envelope.hpp"
#include "core/error.hpp"

namespace keypool::core {
namespace {

Secret key_of(char fill) { return Secret(std::string(kKeySize, fill)); }

ErrorCode code_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::kInternal;
}

class KeyringTest : public testing::Test {
 protected:
  Keyring ring_{key_of('r')};
  std::vector<std::byte> wrapped_ = ring_.wrap(1, kDataPurpose, key_of('d').bytes());
};

TEST_F(KeyringTest, UnwrapsInAnotherProcessWithTheSameRoot) {
  Keyring other(key_of('r'));
  EXPECT_EQ(other.root_id(), ring_.root_id());
  other.add(1, kDataPurpose, wrapped_, ring_.root_id());

  // The key that came out is the one that went in.
  const KeyIdentity identity{42, "openai", "system", ""};
  Aead same(key_of('d').bytes());
  const auto sealed = seal_key(same, 1, identity, "sk-abc");
  Secret out(kMaxSecretSize);
  EXPECT_EQ(open_key(other.data_key(1), parse_envelope(sealed, 42), identity, out.bytes()), 6u);
  EXPECT_EQ(out.view().substr(0, 6), "sk-abc");
}

TEST_F(KeyringTest, AnotherRootIsRecognisedBeforeDecryption) {
  Keyring other(key_of('x'));
  EXPECT_NE(other.root_id(), ring_.root_id());
  try {
    other.add(1, kDataPurpose, {}, ring_.root_id());  // damaged too: the root comes first
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kRootKeyUnavailable);
    EXPECT_EQ(error.message(), "root key is not the one this database was keyed with");
    EXPECT_NE(error.detail(), "");
    EXPECT_NE(error.hint(), "");
  }
  EXPECT_FALSE(other.has(1));
}

std::vector<Secret> roots_of(const std::string& fills) {
  std::vector<Secret> roots;
  for (const char fill : fills) roots.push_back(key_of(fill));
  return roots;
}

TEST_F(KeyringTest, OpensWhatAnOlderRootWrappedAndWrapsWithTheNewest) {
  Keyring both(roots_of("xr"));
  both.add(1, kDataPurpose, wrapped_, ring_.root_id());
  EXPECT_TRUE(both.has(1));
  EXPECT_EQ(both.root_id(), root_id_of(key_of('x')));
  EXPECT_TRUE(both.knows_root(ring_.root_id()));

  const auto rewrapped = both.rewrap(1, kDataPurpose, wrapped_, ring_.root_id());
  Keyring newest(key_of('x'));
  newest.add(1, kDataPurpose, rewrapped, newest.root_id());
  const KeyIdentity identity{1, "openai", "system", ""};
  Aead same(key_of('d').bytes());
  const auto sealed = seal_key(same, 1, identity, "sk-abc");
  Secret out(kMaxSecretSize);
  EXPECT_EQ(open_key(newest.data_key(1), parse_envelope(sealed, 1), identity, out.bytes()), 6u);
}

TEST_F(KeyringTest, OtherRootsCanBeSetAndTheKeysStay) {
  ring_.add(1, kDataPurpose, wrapped_, ring_.root_id());
  const RootId old = ring_.root_id();
  ring_.set_roots(roots_of("x"));
  EXPECT_TRUE(ring_.has(1));
  EXPECT_FALSE(ring_.knows_root(old));
  EXPECT_EQ(code_of([&] { ring_.add(2, kDataPurpose, wrapped_, old); }),
            ErrorCode::kRootKeyUnavailable);
  EXPECT_EQ(code_of([&] { ring_.set_roots({}); }), ErrorCode::kInternal);
}

TEST_F(KeyringTest, AMissingRootAmongSeveralIsNamed) {
  Keyring others(roots_of("xy"));
  try {
    others.add(1, kDataPurpose, wrapped_, ring_.root_id());
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "no root key is the one this database was keyed with");
    EXPECT_EQ(error.detail(), "The database was keyed with root key " +
                                  short_root_id(ring_.root_id()) + ", those found are " +
                                  short_root_id(root_id_of(key_of('x'))) + ", " +
                                  short_root_id(root_id_of(key_of('y'))) + ".");
  }
}

TEST_F(KeyringTest, AForgedRootIdDoesNotHelp) {
  Keyring other(key_of('x'));
  EXPECT_EQ(code_of([&] { other.add(1, kDataPurpose, wrapped_, other.root_id()); }),
            ErrorCode::kDecryptionFailed);
}

TEST_F(KeyringTest, AMissingRootIdIsAnotherRoot) {
  EXPECT_EQ(code_of([&] { ring_.add(1, kDataPurpose, wrapped_, {}); }),
            ErrorCode::kRootKeyUnavailable);
}

// The identifier is stored in the clear, so it must not be what keys are wrapped with; and what is
// stored must be recognised after every upgrade, so the derivation may not change.
TEST_F(KeyringTest, TheRootIdIsDerivedApartFromTheWrappingKey) {
  const Secret root = key_of('r');
  RootId expected, wrapping_start;
  hkdf_sha256(root.bytes(), {}, bytes_of("pg_keypool root id v1"), expected);
  hkdf_sha256(root.bytes(), {}, bytes_of("pg_keypool wrap v1"), wrapping_start);
  EXPECT_EQ(ring_.root_id(), expected);
  EXPECT_NE(ring_.root_id(), wrapping_start);
}

TEST_F(KeyringTest, AnyFlippedBitOfAWrappedKeyFails) {
  EXPECT_EQ(wrapped_.size(), kWrappedKeySize);
  for (std::size_t bit = 0; bit < wrapped_.size() * 8; ++bit) {
    auto damaged = wrapped_;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_EQ(code_of([&] { ring_.add(1, kDataPurpose, damaged, ring_.root_id()); }),
              ErrorCode::kDecryptionFailed)
        << "bit " << bit;
  }
}

TEST_F(KeyringTest, AWrappedKeyOfAnotherLengthFails) {
  wrapped_.pop_back();
  EXPECT_EQ(code_of([&] { ring_.add(1, kDataPurpose, wrapped_, ring_.root_id()); }),
            ErrorCode::kDecryptionFailed);
}

TEST_F(KeyringTest, AWrappedKeyIsBoundToItsNumberAndPurpose) {
  EXPECT_EQ(code_of([&] { ring_.add(2, kDataPurpose, wrapped_, ring_.root_id()); }),
            ErrorCode::kDecryptionFailed);
  EXPECT_EQ(code_of([&] { ring_.add(1, kFingerprintPurpose, wrapped_, ring_.root_id()); }),
            ErrorCode::kDecryptionFailed);
  EXPECT_EQ(code_of([&] { ring_.add(1, "other", wrapped_, ring_.root_id()); }),
            ErrorCode::kDecryptionFailed);
}

TEST_F(KeyringTest, WrapsOnlyWholeKeys) {
  EXPECT_THROW(ring_.wrap(1, kDataPurpose, bytes_of("short")), Error);
}

TEST_F(KeyringTest, FindsEachOfManyAndKnowsTheNewest) {
  EXPECT_EQ(ring_.current(), 0u);
  for (const std::uint32_t number : {3u, 9u, 5u})
    ring_.add(number, kDataPurpose, ring_.wrap(number, kDataPurpose, key_of('d').bytes()),
              ring_.root_id());
  EXPECT_EQ(ring_.current(), 9u);
  Aead* three = &ring_.data_key(3);
  Aead* five = &ring_.data_key(5);
  EXPECT_NE(three, five);
  EXPECT_EQ(&ring_.data_key(3), three);
  EXPECT_TRUE(ring_.has(5));
  EXPECT_FALSE(ring_.has(4));
  EXPECT_EQ(code_of([&] { ring_.data_key(4); }), ErrorCode::kDecryptionFailed);
}

TEST_F(KeyringTest, AddingANumberAgainReplacesIt) {
  ring_.add(1, kDataPurpose, wrapped_, ring_.root_id());
  ring_.add(1, kDataPurpose, ring_.wrap(1, kDataPurpose, key_of('e').bytes()), ring_.root_id());
  Aead replaced(key_of('e').bytes());
  const KeyIdentity identity{1, "openai", "system", ""};
  const auto sealed = seal_key(replaced, 1, identity, "sk-abc");
  Secret out(kMaxSecretSize);
  EXPECT_NO_THROW(open_key(ring_.data_key(1), parse_envelope(sealed, 1), identity, out.bytes()));
}

TEST_F(KeyringTest, FingerprintsSurviveAChangeOfTheRoot) {
  EXPECT_EQ(code_of([&] { ring_.fingerprint("sk-abc"); }), ErrorCode::kDecryptionFailed);
  const Secret key = key_of('f');
  ring_.add(2, kFingerprintPurpose, ring_.wrap(2, kFingerprintPurpose, key.bytes()),
            ring_.root_id());
  Keyring next(key_of('n'));
  next.add(2, kFingerprintPurpose, next.wrap(2, kFingerprintPurpose, key.bytes()), next.root_id());

  EXPECT_EQ(ring_.fingerprint("sk-abc"), next.fingerprint("sk-abc"));
  EXPECT_NE(ring_.fingerprint("sk-abc"), ring_.fingerprint("sk-abd"));
  EXPECT_EQ(ring_.current(), 0u) << "the fingerprint key is not one to seal with";
  EXPECT_FALSE(ring_.has(2));
}

}  // namespace
}  // namespace keypool::core
