set terminal svg size 820,430 noenhanced font 'DejaVu Sans,13' background '#ffffff'
set output 'performance_batch.svg'
set datafile separator ','
set title 'Time of one picture against the pictures in a batch'
set xlabel 'pictures in a batch'
set ylabel 'ms a picture'
set grid
set key outside right top
set yrange [0:*]
plot 'performance_batch.csv' using 1:2 skip 1 with linespoints pt 7 ps 0.7 lw 2 title 'resnet50 train', 'performance_batch.csv' using 1:3 skip 1 with linespoints pt 7 ps 0.7 lw 2 title 'resnet50 detect', 'performance_batch.csv' using 1:4 skip 1 with linespoints pt 7 ps 0.7 lw 2 title 'mobilenet_v3_large_320 train', 'performance_batch.csv' using 1:5 skip 1 with linespoints pt 7 ps 0.7 lw 2 title 'mobilenet_v3_large_320 detect'
