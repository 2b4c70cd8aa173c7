using System.Buffers;
using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using Dnabert2.Files;
using Dnabert2.Folders;

namespace Dnabert2.Tool.Pieces;

/// <summary>
/// Short texts by which files are known again: XxHash128, in 32 hexadecimal digits. It is not made against forgers, and unlike SHA-256 it
/// needs no OpenSSL.
/// </summary>
internal static class Fingerprint
{
    private const int Pieces = 64, PieceBytes = 1 << 16;

    /// <summary>The fingerprint of a model: of each of its files, in order, the name, the length and the bytes.</summary>
    /// <exception cref="IOException">A file is missing or cannot be read.</exception>
    /// <exception cref="InvalidDataException">A config or an index is damaged.</exception>
    public static string Of(ModelSource model)
    {
        var hash = new XxHash128();
        foreach (StoredFile file in model.Files())
        {
            Append(hash, Path.GetFileName(file.Path), file.Length);
            if (file.Content is { } content)
            {
                hash.Append(content.Span);
                continue;
            }

            using FileStream stream = RegularFile.Open(file.Path);
            hash.Append(stream);
        }

        return Text(hash);
    }

    /// <summary>
    /// The fingerprint of an input, which may be a whole genome: of files of more than 4 MiB that of 64 pieces of 64 KiB that lie evenly in
    /// it, from its beginning to its end; of others that of all bytes, as 'xxhsum -H2' has it.
    /// </summary>
    /// <returns>Its length in bytes and the hash; null: it is a pipe or a device, which cannot be read twice.</returns>
    /// <exception cref="IOException">It is not there, or cannot be read.</exception>
    public static (long Bytes, string Hash)? Of(string path)
    {
        if (FileStatus.Of(path) is not { } status) throw new FileNotFoundException($"{path}: there is no such file");
        if (!status.IsRegular) return null;
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        long length = file.Length;
        var hash = new XxHash128();
        bool isWhole = length <= (long)Pieces * PieceBytes;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(PieceBytes);
        try
        {
            if (isWhole) hash.Append(file);
            for (int i = 0; !isWhole && i < Pieces; i++)
            {
                file.Position = (long)((length - PieceBytes) * (i / (Pieces - 1.0)));
                hash.Append(buffer.AsSpan(0, file.ReadAtLeast(buffer.AsSpan(0, PieceBytes), PieceBytes, throwOnEndOfStream: false)));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return (length, Text(hash));
    }

    private static void Append(XxHash128 hash, string name, long length)
    {
        Span<byte> number = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(number, length);
        hash.Append(Encoding.UTF8.GetBytes(name));
        hash.Append(number);
    }

    private static string Text(XxHash128 hash) => Convert.ToHexStringLower(hash.GetCurrentHash());
}
