using System.Buffers.Binary;
using System.Text;
using System.Xml.Linq;
using Dnabert2.Training;

namespace Tests.Training;

public sealed class LogTests : IDisposable
{
    private readonly Toy _toy = new();

    public void Dispose() => _toy.Dispose();

    [Fact]
    public void Events_are_read_back_by_a_reader_of_the_format()
    {
        using (var log = new RunLog(_toy[""], default, LogLayout.Pretraining))
        {
            log.Add(1, new StepResult(5.25, 1.5, true, 1000, 150, 1e9), 2e-4, 10, 0.5);
            log.Add(300, new StepResult(double.NaN, double.NaN, false, 1000, 150, 1e9), 1e-4, 20, 0.5);
            log.Add(300, new Evaluation(new Score(2, 10, 50, 20, 4), [new SpeciesScore("a,\"b", new Score(2, 10, 50, 20, 4))]));
        }

        List<Event> events = Read(File.ReadAllBytes(_toy[LogLayout.Pretraining.EventsFile]));
        Assert.Equal("brain.Event:2", events[0].Version);
        Assert.All(events, e => Assert.InRange(e.Time, 1.6e9, 1e11));
        Assert.Equal(
            [
                (1, "train/loss", 5.25f), (1, "train/learning_rate", 2e-4f), (1, "train/gradient_norm", 1.5f),
                (1, "train/tokens_per_second", 2000f),
                (300, "train/loss", float.NaN), (300, "train/learning_rate", 1e-4f), (300, "train/gradient_norm", float.NaN),
                (300, "train/tokens_per_second", 2000f),
                (300, "held_out/a,\"b/loss", 2f), (300, "held_out/a,\"b/accuracy", 0.4f),
                (300, "held_out/a,\"b/bits_per_base", (float)(20 / Math.Log(2) / 50)),
                (300, "held_out/loss", 2f), (300, "held_out/accuracy", 0.4f),
                (300, "held_out/bits_per_base", (float)(20 / Math.Log(2) / 50)),
            ],
            events.Skip(1).Select(e => (e.Step, e.Tag, e.Value)));
        Assert.Equal(FormattableString.Invariant($"300,\"a,\"\"b\",2,10,50,2,0.4,{20 / Math.Log(2) / 50}"),
            File.ReadAllLines(_toy[RunLog.EvaluationFile])[1]);
        Assert.Equal("1,5.25,0.0002,1.5,150,1000,10.000,2000,no", File.ReadAllLines(_toy[RunLog.TrainFile])[1]);
    }

    [Fact]
    public void The_checksum_is_crc_32c()
    {
        // The check value of CRC-32C (RFC 3720, B.4): 32 bytes of 0 give 0x8A9136AA.
        Assert.Equal(0x8A9136AAu, Crc32C(new byte[32]));
    }

    [Fact]
    public void A_resumed_log_is_cut_back_to_what_the_checkpoint_had_seen()
    {
        LogLengths lengths;
        using (var log = new RunLog(_toy[""], default, LogLayout.Pretraining))
        {
            log.Add(1, Step(5), 1, 1, 1);
            lengths = log.Flush();
            log.Add(2, Step(4), 1, 1, 1);
            log.Add(2, new Evaluation(new Score(1, 1, 1, 1, 1), []));
        }

        using (var log = new RunLog(_toy[""], lengths, LogLayout.Pretraining)) log.Add(2, Step(3), 1, 1, 1);
        Assert.Equal(["step", "1", "2"], File.ReadAllLines(_toy[RunLog.TrainFile]).Select(l => l.Split(',')[0]));
        Assert.Equal("3", File.ReadAllLines(_toy[RunLog.TrainFile])[2].Split(',')[1]);
        Assert.Single(File.ReadAllLines(_toy[RunLog.EvaluationFile]));
        Assert.Equal([5f, 3f], Read(File.ReadAllBytes(_toy[LogLayout.Pretraining.EventsFile])).Where(e => e.Tag == "train/loss")
            .Select(e => e.Value));

        static StepResult Step(double loss) => new(loss, 1, true, 1, 1, 1);
    }

    [Fact]
    public void The_curve_draws_every_loss_within_its_frame()
    {
        List<(double, double)> training = [.. Enumerable.Range(1, 500).Select(i => ((double)i, 8.3 - (i * 0.005)))];
        List<(double, double)> heldOut = [(100, 7.9), (500, 6.1)];
        foreach ((List<(double, double)> a, List<(double, double)> b) in (
            ReadOnlySpan<(List<(double, double)>, List<(double, double)>)>)[(training, heldOut), ([], []), ([(1, 2)], [])])
        {
            XElement svg = XDocument.Parse(LossCurve.Draw(a, b)).Root!;
            XNamespace space = "http://www.w3.org/2000/svg";
            Assert.Equal(space + "svg", svg.Name);
            double[][] lines = [
                .. svg.Elements(space + "polyline")
                .Select(l => l.Attribute("points")!.Value.Split([' ', ','], StringSplitOptions.RemoveEmptyEntries)
                    .Select(x => double.Parse(x, System.Globalization.CultureInfo.InvariantCulture)).ToArray())];
            Assert.Equal(new[] { a.Count, b.Count }.Where(n => n > 0).Select(n => 2 * n), lines.Select(l => l.Length));
            foreach (double[] line in lines)
                for (int i = 0; i < line.Length; i += 2)
                {
                    Assert.InRange(line[i], 56, 704);
                    Assert.InRange(line[i + 1], 28, 360);
                    // A lower loss lies lower in the picture.
                    if (i > 0) Assert.True(line[i + 1] >= line[i - 1]);
                }
        }
    }

    [Fact]
    public void A_curve_is_drawn_from_a_log_however_long()
    {
        using (var log = new RunLog(_toy[""], default, LogLayout.Pretraining))
        {
            for (int i = 1; i <= 5000; i++) log.Add(i, new StepResult(i == 7 ? double.NaN : 5, 1, true, 1, 1, 1), 1, 1, 1);
            log.Add(5000, new Evaluation(new Score(1, 1, 1, 4, 1), [new SpeciesScore("x", new Score(1, 1, 1, 3, 1))]));
            log.Flush();
            LossCurve.Draw(_toy[""]);
        }

        string svg = File.ReadAllText(_toy[LossCurve.FileName]);
        Assert.InRange(svg.Length, 1000, 20_000);
        Assert.Single(XDocument.Parse(svg).Descendants(), e => e.Name.LocalName == "circle");
    }

    private sealed record Event(double Time, int Step, string Version, string Tag, float Value);

    private static List<Event> Read(ReadOnlySpan<byte> file)
    {
        var events = new List<Event>();
        while (file.Length > 0)
        {
            int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(file);
            Assert.Equal(Masked(file[..8]), BinaryPrimitives.ReadUInt32LittleEndian(file[8..]));
            ReadOnlySpan<byte> data = file.Slice(12, length);
            Assert.Equal(Masked(data), BinaryPrimitives.ReadUInt32LittleEndian(file[(12 + length)..]));
            file = file[(16 + length)..];
            double time = 0;
            long step = 0;
            string version = "", tag = "";
            float value = 0;
            foreach ((int field, byte[] bytes, ulong number) in Message(data))
            {
                if (field == 1) time = BitConverter.UInt64BitsToDouble(number);
                if (field == 2) step = (long)number;
                if (field == 3) version = Encoding.UTF8.GetString(bytes);
                if (field != 5) continue;
                (int only, byte[] inner, _) = Assert.Single(Message(bytes));
                Assert.Equal(1, only);
                foreach ((int f, byte[] b, ulong n) in Message(inner))
                {
                    if (f == 1) tag = Encoding.UTF8.GetString(b);
                    if (f == 2) value = BitConverter.UInt32BitsToSingle((uint)n);
                }
            }

            events.Add(new Event(time, (int)step, version, tag, value));
        }

        return events;
    }

    private static List<(int Field, byte[] Bytes, ulong Number)> Message(ReadOnlySpan<byte> data)
    {
        var fields = new List<(int, byte[], ulong)>();
        int at = 0;
        while (at < data.Length)
        {
            ulong key = Varint(data, ref at);
            (byte[] bytes, ulong number) = ([], 0ul);
            switch (key & 7)
            {
                case 0: number = Varint(data, ref at); break;
                case 1: number = BinaryPrimitives.ReadUInt64LittleEndian(data[at..]); at += 8; break;
                case 5: number = BinaryPrimitives.ReadUInt32LittleEndian(data[at..]); at += 4; break;
                case 2:
                    int length = (int)Varint(data, ref at);
                    bytes = data.Slice(at, length).ToArray();
                    at += length;
                    break;
                default: Assert.Fail($"wire type {key & 7}"); break;
            }

            fields.Add(((int)(key >> 3), bytes, number));
        }

        return fields;
    }

    private static ulong Varint(ReadOnlySpan<byte> data, ref int at)
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte b = data[at++];
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80) return value;
        }
    }

    private static uint Masked(ReadOnlySpan<byte> bytes)
    {
        uint crc = Crc32C(bytes);
        return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
    }

    // Bit by bit, reflected polynomial 0x82F63B78.
    private static uint Crc32C(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in bytes)
        {
            crc ^= b;
            for (int i = 0; i < 8; i++) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
        }

        return ~crc;
    }
}
