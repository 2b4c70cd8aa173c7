using System.Text.Json;

namespace Dnabert2.Tokenizers;

/// <summary>
/// Names of properties that stand once in their object. The reader of .NET refuses others as well, but hashes them with a seed from
/// OpenSSL, which a machine need not have to read a model.
/// </summary>
internal static class JsonNames
{
    /// <exception cref="JsonException">The text is no JSON, is nested more deeply, or has a name twice; the message says where.</exception>
    /// <exception cref="InvalidOperationException">A name is not Unicode.</exception>
    public static void RequireUnique(ReadOnlySpan<byte> utf8, int maxDepth = 64)
    {
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = maxDepth });
        var objects = new Stack<HashSet<string>>();
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.StartObject:
                    objects.Push(new HashSet<string>(StringComparer.Ordinal));
                    break;
                case JsonTokenType.EndObject:
                    objects.Pop();
                    break;
                case JsonTokenType.PropertyName:
                    if (!objects.Peek().Add(reader.GetString()!))
                        throw new JsonException($"The property '{reader.GetString()}' stands twice in its object.");
                    break;
            }
        }
    }
}
