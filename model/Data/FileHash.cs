using System.Security.Cryptography;
using CommunityToolkit.HighPerformance.Buffers;
using Dnabert2.Files;
using Dnabert2.Tokenizers;

namespace Dnabert2.Data;

/// <summary>SHA-256, in lower-case hexadecimal.</summary>
internal static class FileHash
{
    public static string Of(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    public static string OfFile(StoredFile file, CancellationToken cancellation = default)
    {
        if (file.Content is { } content) return Of(content.Span);
        using FileStream stream = RegularFile.Open(file.Path);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using SpanOwner<byte> buffer = SpanOwner<byte>.Allocate(1 << 16);
        for (int read; (read = stream.Read(buffer.Span)) > 0;)
        {
            cancellation.ThrowIfCancellationRequested();
            hash.AppendData(buffer.Span[..read]);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>
    /// The hash of the file that the tokenizer is written as: one tokenizer always gives the same bytes.
    /// </summary>
    public static string Of(ISequenceTokenizer tokenizer)
    {
        using var stream = new MemoryStream();
        tokenizer.Save(stream);
        return Of(stream.GetBuffer().AsSpan(0, (int)stream.Length));
    }
}
