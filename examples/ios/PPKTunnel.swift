// How a key and its keyId go into an IKEv2 VPN of iOS 18 / macOS 15 or later (NEVPNIKEv2PPKConfiguration; RFC 8784).
//
// Needs Apple's NetworkExtension and Security frameworks: the project's tests parse this file on Linux, they do not build it.

import Foundation
import NetworkExtension
import Security
import SkipClient

/// Gets a key, puts it into the keychain and names it in the VPN's configuration.
struct PPKTunnel {
    let kp: Client

    /// The keyId of the new key: send it to the VPN server's encryptor.
    func rotate(_ vpn: NEVPNProtocolIKEv2, remote: String) async throws -> String {
        let key = try await kp.newKey(remote: remote, size: 256)
        defer { key.close() }
        let reference = try key.withBytes { bytes in try store(bytes, account: key.keyID) }
        let ppk = NEVPNIKEv2PPKConfiguration(identifier: key.keyID, keychainReference: reference)
        ppk.isMandatory = true
        vpn.ppkConfiguration = ppk
        return key.keyID
    }

    /// A persistent reference to the key in the keychain, which the VPN process can read after the first unlock.
    private func store(_ bytes: Data, account: String) throws -> Data {
        let item: [CFString: Any] = [
            kSecClass: kSecClassGenericPassword,
            kSecAttrService: "skip-ppk",
            kSecAttrAccount: account,
            kSecAttrAccessible: kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly,
            kSecValueData: bytes,
            kSecReturnPersistentRef: true,
        ]
        var result: CFTypeRef?
        let status = SecItemAdd(item as CFDictionary, &result)
        guard status == errSecSuccess, let reference = result as? Data else {
            throw NSError(domain: NSOSStatusErrorDomain, code: Int(status))
        }
        return reference
    }
}
