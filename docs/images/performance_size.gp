set terminal svg size 820,430 noenhanced font 'DejaVu Sans,13' background '#ffffff'
set output 'performance_size.svg'
set datafile separator ','
set title 'Time of a detection against the size of the picture'
set xlabel 'megapixels'
set ylabel 'ms'
set grid
set key outside right top
set yrange [0:*]
plot 'performance_size.csv' using 1:2 skip 1 with linespoints pt 7 ps 0.7 lw 2 title 'resnet50', 'performance_size.csv' using 1:3 skip 1 with linespoints pt 7 ps 0.7 lw 2 title 'mobilenet_v3_large_320'
