using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Dnabert2.Data;
using Dnabert2.Hyena;

namespace Dnabert2.Folders;

/// <summary>
/// The identity of an adapter's base: what the encoder's weights are, in whatever folder, files and types they lie. It is the SHA-256 of a
/// line for each tensor of the encoder (pooler and heads are left out: adapters have their own), in the ordinal order of their names in the
/// model: the name, the extents joined by commas, and the SHA-256 of the values as little-endian 32-bit floats, row by row. So a base that
/// was stored in another file, in several, or in a type that holds its values exactly is the same one; one whose values were rounded is
/// not.
/// </summary>
internal static class BaseIdentity
{
    /// <summary>Its place in the metadata of an adapter's weights, which PEFT does not look at.</summary>
    public const string Key = "dnabert2_base_sha256";

    /// <summary>The identity of weights.</summary>
    /// <exception cref="InvalidDataException">A file is damaged, or a tensor of the encoder is not of floating-point numbers.</exception>
    public static string Of(ModelWeights weights)
    {
        string[] names = [.. weights.Names
            .Where(name => Checkpoint.PartOf(name) == ModelParts.Encoder && !WeightNames.IsUnused(name) && !HyenaBuffers.IsOne(name))
            .Order(StringComparer.Ordinal)];
        string[] lines = new string[names.Length];
        try
        {
            Parallel.For(0, names.Length, i => lines[i] = Line(names[i], weights));
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }

        return FileHash.Of(Encoding.UTF8.GetBytes(string.Concat(lines)));
    }

    /// <summary>Whether a text may be an identity.</summary>
    public static bool IsOne(string text) => text.Length == 2 * SHA256.HashSizeInBytes && text.All(char.IsAsciiHexDigitLower);

    private static string Line(string name, ModelWeights weights)
    {
        if (!weights.TryGet(name, out ModelWeight? weight)) throw new InvalidOperationException($"{name} was listed");
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        weight.File.Read(weight.Entry, values => hash.AppendData(MemoryMarshal.AsBytes(values)));
        string extents = string.Join(',', weight.Entry.Extents.ToArray().Select(extent => extent.ToString(CultureInfo.InvariantCulture)));
        return $"{name} {extents} {Convert.ToHexStringLower(hash.GetHashAndReset())}\n";
    }
}
