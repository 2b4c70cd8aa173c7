using System.Text;
using Dnabert2.Sequences;

namespace Tests.Sequences;

[Trait("Category", "Slow")]
public class SequenceFuzzTests
{
    private static readonly string[] Seeds =
    [
        ">a one\nACGTNNRYacgu\nACGT\n>b\r\nGG GG\r\n;c\n>c\nT",
        "@a x\nACGT\n+a\nIIII\n@b\nAC\nGT\n+\n@I\n+I\n",
        "id,sequence1,label,sequence2\r\na,ACGT,\"x, \"\"y\"\"\r\nz\",GG\r\nb,\"ACGT\",,T\n",
        "sequence\tlabel\nACGT\t1\n",
        "ACGT\n\nNNacgu\r\n  GG  \n",
    ];

    private const string Spice = ">@+;,\t\"\r\n \0-ACGTNacgtE\x1F\x8B\xFF";

    [Fact]
    public void Mutated_files_end_and_nothing_but_InvalidDataException_comes_out()
    {
        var random = new Random(20);
        int read = 0, refused = 0;
        for (int round = 0; round < 30_000; round++)
        {
            byte[] bytes = Encoding.Latin1.GetBytes(Seeds[random.Next(Seeds.Length)]);
            if (round % 3 == 0) bytes = SequenceFiles.Gzip(bytes);
            bytes = Mutate(bytes, random);
            var options = new SequenceOptions { Format = (SequenceFormat)random.Next(6), OnAmbiguous = (AmbiguousBases)random.Next(4) };
            Stream stream = round % 2 == 0 ? new MemoryStream(bytes) : new DripStream(bytes, 1 + random.Next(7));
            try
            {
                foreach (SequenceRecord record in SequenceReader.Read(stream, "x", options))
                {
                    Assert.InRange(record.Length, 1, 4096);
                    Assert.False(record.Sequence.ContainsAnyExcept("ACGTN"u8));
                    Assert.Equal(record.Ambiguous, record.Sequence.Count((byte)'N'));
                    read++;
                }
            }
            catch (InvalidDataException fault)
            {
                Assert.StartsWith("x: ", fault.Message);
                refused++;
            }
        }
        Assert.True(read > 3000 && refused > 3000, $"{read} records read, {refused} files refused: the mutations miss one side");
    }

    private static byte[] Mutate(byte[] bytes, Random random)
    {
        var content = bytes.ToList();
        for (int edits = random.Next(4); edits > 0 && content.Count > 0; edits--)
        {
            int at = random.Next(content.Count);
            switch (random.Next(5))
            {
                case 0: content[at] = (byte)Spice[random.Next(Spice.Length)]; break;
                case 1: content[at] = (byte)random.Next(256); break;
                case 2: content.Insert(at, (byte)Spice[random.Next(Spice.Length)]); break;
                case 3: content.RemoveRange(at, random.Next(content.Count - at)); break;
                default: content.InsertRange(at, content.GetRange(at, random.Next(content.Count - at)).ToArray()); break;
            }
        }
        return [.. content];
    }
}
