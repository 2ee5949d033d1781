#include "core/cipher.hpp"

#include <climits>
#include <new>
#include <string>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "core/error.hpp"

namespace keypool::core {
namespace {

// OpenSSL takes a null pointer for "none" (no key, no output: this is associated data), so an empty
// span must arrive as a pointer to something.
constexpr unsigned char kNothing[1] = {};

const unsigned char* raw(std::span<const std::byte> bytes) {
  return bytes.empty() ? kNothing : reinterpret_cast<const unsigned char*>(bytes.data());
}

unsigned char* raw_out(std::span<std::byte> bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

// The queue belongs to the whole process, TLS connections included, so nothing may stay in it.
[[noreturn]] void fail(const char* what) {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) throw std::bad_alloc();
  const char* reason = ERR_reason_error_string(code);
  throw Error(ErrorCode::kInternal, std::string("OpenSSL failed to ") + what,
              reason == nullptr ? std::string() : std::string("OpenSSL says: ") + reason + ".");
}

void check(int result, const char* what) {
  if (result != 1) fail(what);
}

void require(bool fulfilled, const char* what) {
  if (!fulfilled) throw Error(ErrorCode::kInternal, what);
}

bool fits_int(std::span<const std::byte> bytes) { return bytes.size() <= INT_MAX; }

OSSL_PARAM octets(const char* name, std::span<const std::byte> bytes) {
  // The constructor is not const-correct: parameters that are only set are never written to.
  return OSSL_PARAM_construct_octet_string(name, const_cast<unsigned char*>(raw(bytes)),
                                           bytes.size());
}

OSSL_PARAM sha256_param() {
  static char name[] = "SHA256";  // not const for the same reason
  return OSSL_PARAM_construct_utf8_string(OSSL_ALG_PARAM_DIGEST, name, 0);
}

// A null input is skipped: it adds nothing, and OpenSSL 3 treats it unlike an empty one.
bool decrypt_update(EVP_CIPHER_CTX* context, unsigned char* out, std::span<const std::byte> in) {
  int written = 0;
  return in.empty() ||
         EVP_DecryptUpdate(context, out, &written, raw(in), static_cast<int>(in.size())) == 1;
}

struct FreeCipherContext {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeCipherContext>;

CipherContext new_cipher_context() {
  CipherContext context(EVP_CIPHER_CTX_new());
  if (!context) fail("create a cipher context");
  return context;
}

// The size is known when the padding is; what the longer buffer held goes with it.
Secret first_bytes(const Secret& bytes, std::size_t size) {
  return Secret(bytes.bytes().first(size));
}

bool encrypt_update(EVP_CIPHER_CTX* context, unsigned char* out, std::span<const std::byte> in) {
  int written = 0;
  return in.empty() ||
         EVP_EncryptUpdate(context, out, &written, raw(in), static_cast<int>(in.size())) == 1;
}

}  // namespace

void Aead::FreeContext::operator()(evp_cipher_ctx_st* context) const noexcept {
  EVP_CIPHER_CTX_free(context);
}

Aead::Aead(std::span<const std::byte> key)
    : encrypt_(EVP_CIPHER_CTX_new()), decrypt_(EVP_CIPHER_CTX_new()) {
  require(key.size() == kKeySize, "an AES-256 key must have 32 bytes");
  if (!encrypt_ || !decrypt_) fail("create a cipher context");
  check(EVP_EncryptInit_ex(encrypt_.get(), EVP_aes_256_gcm(), nullptr, raw(key), nullptr),
        "set an encryption key");
  check(EVP_DecryptInit_ex(decrypt_.get(), EVP_aes_256_gcm(), nullptr, raw(key), nullptr),
        "set a decryption key");
}

void Aead::seal(NonceView nonce, std::span<const std::byte> aad, std::span<const std::byte> plain,
                std::span<std::byte> out_cipher_and_tag) {
  require(out_cipher_and_tag.size() == plain.size() + kTagSize && fits_int(out_cipher_and_tag) &&
              fits_int(aad),
          "wrong buffer size for sealing");
  EVP_CIPHER_CTX* context = encrypt_.get();
  unsigned char* out = raw_out(out_cipher_and_tag);
  int written = 0;
  check(EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, raw(nonce)), "set a nonce");
  check(encrypt_update(context, nullptr, aad), "add associated data");
  check(encrypt_update(context, out, plain), "encrypt");
  check(EVP_EncryptFinal_ex(context, out + plain.size(), &written), "finish encryption");
  check(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagSize, out + plain.size()),
        "get an authentication tag");
}

bool Aead::open(NonceView nonce, std::span<const std::byte> aad,
                std::span<const std::byte> cipher_and_tag,
                std::span<std::byte> plain_out) noexcept {
  const auto authentic = [&] {
    if (cipher_and_tag.size() < kTagSize || !fits_int(cipher_and_tag) || !fits_int(aad))
      return false;
    const auto cipher = cipher_and_tag.first(cipher_and_tag.size() - kTagSize);
    if (plain_out.size() < cipher.size()) return false;
    EVP_CIPHER_CTX* context = decrypt_.get();
    // OpenSSL only reads the tag, though it takes it as void*.
    auto* tag = const_cast<unsigned char*>(raw(cipher_and_tag.last(kTagSize)));
    unsigned char unused[kTagSize];
    int written = 0;
    return EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, raw(nonce)) == 1 &&
           decrypt_update(context, nullptr, aad) &&
           decrypt_update(context, raw_out(plain_out), cipher) &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagSize, tag) == 1 &&
           EVP_DecryptFinal_ex(context, unused, &written) == 1;
  };
  if (authentic()) return true;
  // GCM decrypts before it knows; bytes that did not authenticate must not be seen.
  wipe(plain_out);
  ERR_clear_error();
  return false;
}

void Hmac::FreeContext::operator()(evp_mac_ctx_st* context) const noexcept {
  EVP_MAC_CTX_free(context);
}

Hmac::Hmac(std::span<const std::byte> key) {
  EVP_MAC* algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  if (algorithm == nullptr) fail("find HMAC");
  context_.reset(EVP_MAC_CTX_new(algorithm));
  EVP_MAC_free(algorithm);  // the context holds a reference of its own
  if (!context_) fail("create an HMAC context");
  const OSSL_PARAM params[] = {sha256_param(), OSSL_PARAM_construct_end()};
  check(EVP_MAC_init(context_.get(), raw(key), key.size(), params), "set an HMAC key");
}

Digest Hmac::of(std::span<const std::byte> data) {
  Digest digest;
  std::size_t written = 0;
  // No key: start over with the one that is set.
  check(EVP_MAC_init(context_.get(), nullptr, 0, nullptr), "restart HMAC");
  check(EVP_MAC_update(context_.get(), raw(data), data.size()), "compute HMAC");
  check(EVP_MAC_final(context_.get(), raw_out(digest), &written, digest.size()), "finish HMAC");
  return digest;
}

Digest hmac_sha256(std::span<const std::byte> key, std::span<const std::byte> data) {
  return Hmac(key).of(data);
}

void hkdf_sha256(std::span<const std::byte> key, std::span<const std::byte> salt,
                 std::span<const std::byte> info, std::span<std::byte> out) {
  EVP_KDF* algorithm = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  if (algorithm == nullptr) fail("find HKDF");
  const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(
      EVP_KDF_CTX_new(algorithm), &EVP_KDF_CTX_free);
  EVP_KDF_free(algorithm);  // the context holds a reference of its own
  if (!context) fail("create an HKDF context");
  const OSSL_PARAM params[] = {
      sha256_param(),
      octets(OSSL_KDF_PARAM_KEY, key),
      octets(OSSL_KDF_PARAM_INFO, info),
      // Last, because an absent salt is not an empty one to every release of OpenSSL.
      salt.empty() ? OSSL_PARAM_construct_end() : octets(OSSL_KDF_PARAM_SALT, salt),
      OSSL_PARAM_construct_end(),
  };
  check(EVP_KDF_derive(context.get(), raw_out(out), out.size(), params), "derive a key");
}

Digest sha256(std::span<const std::byte> data) {
  Digest digest;
  check(EVP_Digest(raw(data), data.size(), raw_out(digest), nullptr, EVP_sha256(), nullptr),
        "compute SHA-256");
  return digest;
}

Secret encrypt_cbc(CbcKeyView key, CbcIvView iv, std::span<const std::byte> plain) {
  require(plain.size() <= INT_MAX - kCbcBlockSize, "too much to encrypt at once");
  const CipherContext context = new_cipher_context();
  Secret out(plain.size() + kCbcBlockSize);
  int written = 0;
  int last = 0;
  check(EVP_EncryptInit_ex(context.get(), EVP_aes_128_cbc(), nullptr, raw(key), raw(iv)),
        "set an encryption key");
  check(EVP_EncryptUpdate(context.get(), raw_out(out.bytes()), &written, raw(plain),
                          static_cast<int>(plain.size())),
        "encrypt");
  check(EVP_EncryptFinal_ex(context.get(), raw_out(out.bytes()) + written, &last),
        "finish encryption");
  return first_bytes(out, static_cast<std::size_t>(written + last));
}

std::optional<Secret> decrypt_cbc(CbcKeyView key, CbcIvView iv, std::span<const std::byte> cipher) {
  if (cipher.empty() || cipher.size() % kCbcBlockSize != 0 ||
      cipher.size() > INT_MAX - kCbcBlockSize)
    return std::nullopt;
  const CipherContext context = new_cipher_context();
  Secret out(cipher.size() + kCbcBlockSize);
  int written = 0;
  int last = 0;
  check(EVP_DecryptInit_ex(context.get(), EVP_aes_128_cbc(), nullptr, raw(key), raw(iv)),
        "set a decryption key");
  check(EVP_DecryptUpdate(context.get(), raw_out(out.bytes()), &written, raw(cipher),
                          static_cast<int>(cipher.size())),
        "decrypt");
  if (EVP_DecryptFinal_ex(context.get(), raw_out(out.bytes()) + written, &last) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  return first_bytes(out, static_cast<std::size_t>(written + last));
}

void random_bytes(std::span<std::byte> out) {
  require(fits_int(out), "too many random bytes asked for");
  check(RAND_bytes(raw_out(out), static_cast<int>(out.size())), "make random bytes");
}

bool equal_constant_time(std::span<const std::byte> a, std::span<const std::byte> b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(raw(a), raw(b), a.size()) == 0;
}

}  // namespace keypool::core
