using System.Text;

namespace Tests.Sequences;

/// <summary>Files of .2bit, made base by base: T is 0, C 1, A 2 and G 3, the first base in the highest bits; N are packed as T.</summary>
internal static class TwoBits
{
    /// <summary>A file of some sequences; lower case is masked.</summary>
    public static byte[] File(bool isBigEndian, params (string Name, string Bases)[] sequences)
    {
        var file = new List<byte>();
        Number(0x1A412743);
        Number(0);
        Number((uint)sequences.Length);
        Number(0);
        int place = file.Count + sequences.Sum(s => 1 + Encoding.UTF8.GetByteCount(s.Name) + 4);
        var bodies = new List<byte[]>();
        foreach ((string name, string bases) in sequences)
        {
            file.Add((byte)Encoding.UTF8.GetByteCount(name));
            file.AddRange(Encoding.UTF8.GetBytes(name));
            Number((uint)place);
            byte[] body = Body(bases);
            place += body.Length;
            bodies.Add(body);
        }

        foreach (byte[] body in bodies) file.AddRange(body);
        return [.. file];

        void Number(uint number) => file.AddRange(Bytes(number));

        byte[] Body(string bases)
        {
            (int, int)[] unknown = [.. Stretches(bases, c => c is 'N' or 'n')], masked = [.. Stretches(bases, char.IsLower)];
            byte[] packed = new byte[(bases.Length + 3) / 4];
            for (int i = 0; i < bases.Length; i++)
            {
                int code = Math.Max(0, "TCAG".IndexOf(char.ToUpperInvariant(bases[i]), StringComparison.Ordinal));
                packed[i / 4] |= (byte)(code << (6 - (2 * (i % 4))));
            }

            return
            [
                .. Bytes((uint)bases.Length), .. List(unknown), .. List(masked), .. Bytes(0), .. packed,
            ];
        }

        byte[] List((int Start, int Length)[] stretches) =>
        [
            .. Bytes((uint)stretches.Length), .. stretches.SelectMany(s => Bytes((uint)s.Start)),
            .. stretches.SelectMany(s => Bytes((uint)s.Length)),
        ];

        byte[] Bytes(uint number)
        {
            byte[] bytes = BitConverter.GetBytes(number);
            if (BitConverter.IsLittleEndian == isBigEndian) Array.Reverse(bytes);
            return bytes;
        }
    }

    private static IEnumerable<(int Start, int Length)> Stretches(string bases, Func<char, bool> has)
    {
        for (int i = 0; i < bases.Length;)
        {
            int start = i;
            while (i < bases.Length && has(bases[i])) i++;
            if (i > start) yield return (start, i - start);
            else i++;
        }
    }
}
