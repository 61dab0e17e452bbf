import SkipClient

let kp: SkipClient.Client? = try? Client(url: "http://kp")
precondition(kp == nil, "http is refused")
precondition(MessageKind.key.validate("{}").count > 0)
print("the package by its URL works")
