using System.Security.Cryptography;
using System.Text;

namespace Engine.Kernels;

/// <summary>What the kernels of a score modification are called after.</summary>
/// <typeparam name="TMod">The modification.</typeparam>
internal static class ScoreModificationName<TMod>
    where TMod : unmanaged, IScoreModification<TMod>
{
    /// <summary>
    /// The type's name: as it is for one of this assembly, and with a hash of its full name and assembly for any other, so that no two
    /// types share kernels.
    /// </summary>
    public static string Value { get; } = Of(typeof(TMod));

    private static string Of(Type type)
    {
        var name = new StringBuilder();
        foreach (char c in type.Name) name.Append(char.IsAsciiLetterOrDigit(c) ? char.ToLowerInvariant(c) : '_');
        if (type.Assembly == typeof(IScoreModification<>).Assembly) return name.ToString();
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(type.AssemblyQualifiedName!));
        return name.Append('_').Append(Convert.ToHexStringLower(hash, 0, 8)).ToString();
    }
}
