using System.Buffers;
using Dnabert2.Server.Http;

namespace Dnabert2.Server.Serving;

/// <summary>Refuses what is no sequence before anything else looks at it.</summary>
internal static class InputCheck
{
    private static readonly SearchValues<char> Letters = SearchValues.Create("ACGTUNXRYSWKMBDHVacgtunxryswkmbdhv");

    /// <summary>Sequences without the white space around them.</summary>
    /// <param name="inputs">The sequences.</param>
    /// <param name="most">The most of them.</param>
    /// <param name="field">What the request calls them.</param>
    /// <exception cref="RequestFault">
    /// There are none or too many, one is empty, or one holds what is neither a base nor a code for several.
    /// </exception>
    public static IReadOnlyList<string> Checked(IReadOnlyList<string> inputs, int most, string field)
    {
        if (inputs.Count == 0) throw RequestFault.Empty($"{field} is empty: give a sequence of bases", field);
        if (inputs.Count > most) throw TooMany(inputs.Count, most);
        string[] trimmed = new string[inputs.Count];
        for (int i = 0; i < trimmed.Length; i++)
        {
            string name = $"{field}[{i}]";
            trimmed[i] = inputs[i].Trim();
            if (trimmed[i].Length == 0) throw RequestFault.Empty($"{name} is empty: give a sequence of bases", field);
            int at = trimmed[i].AsSpan().IndexOfAnyExcept(Letters);
            if (at >= 0)
                throw RequestFault.Invalid(
                    $"{name} has {Show(trimmed[i][at])} at place {at}, counted from 0, which is not a nucleotide; "
                    + "allowed are A C G T U, N, X and the IUPAC codes R Y S W K M B D H V", field);
        }

        return trimmed;
    }

    /// <summary>More sequences than are taken.</summary>
    public static RequestFault TooMany(int count, int most) =>
        RequestFault.TooLarge($"batch size {count} > maximum allowed batch size {most}; send fewer sequences at once");

    private static string Show(char letter) => letter is > ' ' and < '\x7F' ? $"'{letter}'" : $"U+{(int)letter:X4}";
}
